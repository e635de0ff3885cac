"""Official splits of the Cholec80 family by video number."""

from collections.abc import Mapping

SplitTable = Mapping[str, frozenset[int]]


def _numbers(text: str) -> frozenset[int]:
    return frozenset(int(word) for word in text.split())


CHOLECT50_SPLITS: Mapping[str, SplitTable] = {
    "cholect50": {
        "train": _numbers(
            "1 15 26 40 52 65 79 2 18 27 43 56 66 92 4 22 31 47 57 68 96 5 23 35 48 60 70 103 13 25"
            " 36 49 62 75 110"
        ),
        "val": _numbers("8 12 29 50 78"),
        "test": _numbers("6 51 10 73 14 74 32 80 42 111"),
    },
    "cholect50-challenge": {
        "train": _numbers(
            "1 15 26 40 52 79 2 27 43 56 66 4 22 31 47 57 68 23 35 48 60 70 13 25 49 62 75 8 12 29"
            " 50 78 6 51 10 73 14 32 80 42"
        ),
        "val": _numbers("5 18 36 65 74"),
        "test": _numbers("92 96 103 110 111"),
    },
    "cholect50-crossval": {
        "fold1": _numbers("79 2 51 6 25 14 66 23 50 111"),
        "fold2": _numbers("80 32 5 15 40 47 26 48 70 96"),
        "fold3": _numbers("31 57 36 18 52 68 10 8 73 103"),
        "fold4": _numbers("42 29 60 27 65 75 22 49 12 110"),
        "fold5": _numbers("78 43 62 35 74 1 56 4 13 92"),
    },
}
"""CholecT50's schemes, as `dataloader_pth.py` of CAMMA-public/cholect50 lists them: that of the
Rendezvous paper, that of the CholecTriplet challenges, and the recommended five folds."""

CHOLECTRACK20_SPLIT: SplitTable = {
    "training": _numbers("2 4 11 13 17 23 31 37 96 103"),
    "validation": _numbers("30 110"),
    "testing": _numbers("1 6 7 12 25 39 92 111"),
}
"""CholecTrack20's split, as `video.split` of its label files gives it."""


def parts_of(number: int, schemes: Mapping[str, SplitTable]) -> dict[str, str]:
    """Part of each scheme a video belongs to; schemes without the video are left out.

    >>> parts_of(42, {"folds": {"a": frozenset({42})}, "other": {"b": frozenset()}})
    {'folds': 'a'}
    """
    return {
        scheme: part
        for scheme, parts in schemes.items()
        for part, numbers in parts.items()
        if number in numbers
    }
