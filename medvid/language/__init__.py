"""What talks to language models, and the sentence encoder that needs no network."""
