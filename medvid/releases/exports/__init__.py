"""Releases in other projects' formats, and official MedVidBench files as releases."""

from medvid.releases.exports.exporting import ExportSummary, export_release
from medvid.releases.exports.settings import ExportFormat, ExportSettings, MediaStyle

__all__ = [
    "ExportFormat",
    "ExportSettings",
    "ExportSummary",
    "MediaStyle",
    "export_release",
]
