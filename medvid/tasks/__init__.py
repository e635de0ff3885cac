"""Tasks: clip planning, questions, answer grammars, samples."""
