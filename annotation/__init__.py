"""The annotator's loop: projects from code, push, pull, the correction log, agreement."""
