"""Releases in other projects' formats, and official MedVidBench files as releases."""

from medvid.releases.exports.exporting import ExportSummary, export_release
from medvid.releases.exports.importing import ImportSettings, ImportSummary, import_official
from medvid.releases.exports.settings import ExportFormat, ExportSettings, MediaStyle

__all__ = [
    "ExportFormat",
    "ExportSettings",
    "ExportSummary",
    "ImportSettings",
    "ImportSummary",
    "MediaStyle",
    "export_release",
    "import_official",
]
