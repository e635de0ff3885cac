"""Captions: text about clips, events and regions, grounded in labels."""
