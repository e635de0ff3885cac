"""Captions: text about clips, events and regions, grounded in labels."""

from medvid.captions.grounding import allowed_phrases, ungrounded_words
from medvid.captions.writer import (
    WRITER_VERSION,
    CaptionBuild,
    CaptionSettings,
    write_captions,
)

__all__ = [
    "WRITER_VERSION",
    "CaptionBuild",
    "CaptionSettings",
    "allowed_phrases",
    "ungrounded_words",
    "write_captions",
]
