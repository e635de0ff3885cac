"""What a synthetic NurViD tree takes from the published one: counts, and the class workbook."""

import io
import re
import zipfile
from pathlib import Path
from typing import Final

from openpyxl import Workbook

from converters.nursing import ACTIONS, PROCEDURES

# fmt: off
VIDEOS_PER_PROCEDURE: Final = (
    78, 71, 62, 60, 60, 60, 57, 57, 54, 50, 46, 46, 45, 44, 43, 39, 37, 35, 34, 32, 31, 30, 28, 28,
    27, 27, 27, 27, 25, 24, 23, 20, 19, 18, 18, 17, 16, 16, 15, 13, 13, 13, 9, 8, 8, 6, 6, 6, 5, 4,
    1,
)
"""By workbook id."""
SEGMENTS_PER_ACTION: Final = (
    361, 352, 323, 307, 286, 199, 163, 137, 105, 94, 89, 84, 80, 74, 70, 70, 65, 59, 57, 55, 53, 51,
    49, 47, 46, 46, 45, 45, 43, 43, 43, 38, 38, 37, 36, 36, 36, 35, 34, 34, 33, 32, 32, 32, 31, 31,
    30, 29, 28, 28, 28, 28, 27, 27, 27, 25, 25, 25, 24, 24, 24, 24, 24, 24, 23, 22, 22, 21, 21, 21,
    20, 20, 20, 20, 20, 19, 19, 19, 19, 19, 19, 19, 18, 18, 18, 18, 18, 18, 18, 17, 17, 16, 15, 15,
    15, 15, 15, 14, 14, 14, 14, 14, 13, 13, 12, 12, 12, 12, 11, 11, 11, 11, 11, 11, 10, 10, 9, 9, 9,
    9, 9, 8, 8, 8, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6, 6, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3,
    3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, *[1] * 15,
)
"""By workbook id."""
VIDEOS_BY_SEGMENTS: Final = {
    1: 345, 2: 291, 3: 271, 4: 206, 5: 136, 6: 89, 7: 61, 8: 56, 9: 23, 10: 16, 11: 9, 12: 10,
    13: 4, 14: 10, 15: 5, 16: 1, 17: 2, 18: 2, 23: 1,
}
SECONDS_QUANTILES: Final = (
    (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0),
    (5.5, 32.0, 58.0, 142.0, 275.0, 480.0, 689.0, 851.0, 1196.5),
)
"""Shares of the videos, and the length in seconds each share stays under."""
VIDEOS_BY_RESOLUTION: Final = {
    "1920x1080": 747, "1280x720": 264, "608x1080": 100, "854x480": 85, "640x480": 37,
    "720x1280": 26, "1080x1920": 25, "320x240": 21, "1080x1080": 12, "426x240": 7, "3840x2160": 1,
}
"""The commonest of 93 resolutions, and the largest."""
VIDEOS_BY_FPS: Final = {
    29: 603, 30: 446, 25: 236, 23: 116, 59: 50, 24: 30, 60: 21, 50: 11, 15: 6, 27: 5,
}
"""The commonest of 16 rates, as rounded down in the labels."""
# fmt: on
VIDEOS_BY_SPLIT: Final = {"train": 1054, "val": 173, "test": 311}
"""Task 1&3."""

_WORKBOOK_DATE: Final = (1980, 1, 1, 0, 0, 0)
_DATES = re.compile(rb"(<dcterms:\w+ [^>]*>)[^<]*")


def write_workbook(path: Path) -> None:
    """Write the class workbook, free of the clock; its Chinese names are stand-ins."""
    book = Workbook()
    sheet = book.active or book.create_sheet()
    sheet.title = "Sheet1"
    sheet.append(["Procedure", *[None] * 5, "Action"])
    sheet.append(["ID", "Chinese name", "English name", " Abbreviation", "Split", None,
                  "ID", "Chinese name", "English name", "Split"])  # fmt: skip
    tiers = ({0: "Many", 10: "Medium", 33: "Few"}, {0: "Many", 51: "Medium", 60: "Few"})
    for i, action in enumerate(ACTIONS):
        left: list[object] = [None] * 5
        if i < len(PROCEDURES):
            left = [i, f"护理操作{i}", PROCEDURES[i], f"P{i}", tiers[0].get(i)]
        sheet.append([*left, None, i, f"护理动作{i}", action, tiers[1].get(i)])
    raw = io.BytesIO()
    book.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _DATES.sub(rb"\g<1>1980-01-01T00:00:00Z", content)
            target.writestr(zipfile.ZipInfo(name, _WORKBOOK_DATE), content)
