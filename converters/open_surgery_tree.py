"""Gather what AVOS's shared files say of each video: votes, length, boxes, lists, pictures."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, TextIO, TypeVar

from converters.hand_tool_boxes import BOX_TABLES, IMAGE_NAME, parse_box_table
from converters.native_tree import find_base
from converters.open_surgery import DATASET
from converters.vote_tables import ROW_COLUMNS, VOTE_COLUMNS, parse_table
from schemas.video import MediaKind, MediaRef

SEGMENT_TABLE: Final = "v0.5.0-anns-smoothed.csv"
WINDOW_TABLE: Final = "v0.5.0-anns-5sec.csv"
VIDEO_TABLE: Final = "videos.csv"
SPLIT_TABLES: Final = ("splits/train.csv", "splits/test.csv", "train.csv", "test.csv")
"""Split lists by path; the file's stem is the split. Those in the folder win over those beside."""

T = TypeVar("T")
YOUTUBE_ID: Final = re.compile(r"[A-Za-z0-9_-]{11}")
FRAME_FOLDERS: Final = {
    "frames_15fps": r"([0-9]{1,9})\.jpg",
    "images-fps_15": r"[A-Za-z0-9_-]{11}-([0-9]{9})\.jpg",
}
"""Folders of frames at 15 a second, one folder a video, with the shape of a frame's name."""

VIDEO_FOLDERS: Final = ("videos",)
VIDEO_SUFFIXES: Final = (".mp4", ".mkv", ".webm")
_BOX_IMAGE_FOLDERS: Final = (
    *dict.fromkeys(str(Path(table).parent) for table in BOX_TABLES if "/" in table), "images",
)  # fmt: skip


@dataclass(slots=True)
class Entry:
    """What the shared files say of one video, as text.

    Attributes:
        segments: Its rows of the smoothed table, columns as in `ROW_COLUMNS`.
        windows: Its rows of the window table, columns as in `ROW_COLUMNS`.
        lengths: Its lengths in seconds by the table of videos, one for each row there.
        boxes: Its rows of the tables of boxes: table, frame number, x1, y1, x2, y2, class.
    """

    segments: list[list[str]] = field(default_factory=list)
    windows: list[list[str]] = field(default_factory=list)
    lengths: list[str] = field(default_factory=list)
    boxes: list[list[str]] = field(default_factory=list)

    @property
    def is_labelled(self) -> bool:
        """Whether there is any label to show pictures for."""
        return bool(self.segments or self.windows or self.boxes)

    def as_fields(self) -> dict[str, list[list[str]] | list[str]]:
        """Attributes by name."""
        return asdict(self)


@dataclass(slots=True)
class NativeTree:
    """A whole tree, by video.

    Attributes:
        base: Folder that holds the tables of votes.
        table: The table of votes that issues of whole videos name.
        entries: By video id as it stands in the files.
        splits: Split lists that name a video, by id as it stands there; None without any list.
        media: Pictures by YouTube id.
        box_images: Boxed images by YouTube id, paths relative to the base, sorted.
    """

    base: Path
    table: str
    entries: dict[str, Entry]
    splits: dict[str, list[str]] | None
    media: dict[str, MediaRef]
    box_images: dict[str, list[str]]

    def native_ids(self) -> set[str]:
        """Every video that a table, a list or a picture names, spelt as there."""
        return {*self.entries, *(self.splits or ()), *self.media}


def load_tree(root: Path) -> NativeTree:
    """Read the shared files under a root.

    Raises:
        MissingSourceError: Neither the root nor a single folder in it holds a table of votes.
        MalformedSourceError: A table cannot be read.
    """
    base = find_base(root, _is_base, dataset=DATASET, tree=f"{SEGMENT_TABLE} or {WINDOW_TABLE}")
    entries: dict[str, Entry] = {}
    for name in (SEGMENT_TABLE, WINDOW_TABLE):
        for video_id, row in _read(base, name, _vote_rows):
            entry = entries.setdefault(video_id, Entry())
            (entry.segments if name == SEGMENT_TABLE else entry.windows).append(row)
    for video_id, length in _read(base, VIDEO_TABLE, _lengths):
        entries.setdefault(video_id, Entry()).lengths.append(length)
    for name in BOX_TABLES:
        for image, cells in _read(base, name, _box_rows):
            match = IMAGE_NAME.fullmatch(image)
            video_id, frame = (match[1], str(int(match[2]))) if match else (image, "-1")
            entries.setdefault(video_id, Entry()).boxes.append([name, frame, *cells])
    table = SEGMENT_TABLE if (base / SEGMENT_TABLE).is_file() else WINDOW_TABLE
    return NativeTree(base, table, entries, _splits(base), _media(base), _box_images(base))


def _is_base(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (SEGMENT_TABLE, WINDOW_TABLE))


def _read(
    base: Path, name: str, parse: Callable[[TextIO, str], Iterable[tuple[str, T]]]
) -> Iterator[tuple[str, T]]:
    if (base / name).is_file():
        with (base / name).open(encoding="utf-8-sig", newline="") as handle:
            yield from parse(handle, name)


def _vote_rows(handle: TextIO, name: str) -> Iterator[tuple[str, list[str]]]:
    required = VOTE_COLUMNS | ({"label"} if name == SEGMENT_TABLE else set())
    for video_id, row in parse_table(handle, required, source=name):
        yield video_id, [row.get(column, "").strip() for column in ROW_COLUMNS]


def _lengths(handle: TextIO, name: str) -> Iterator[tuple[str, str]]:
    for video_id, row in parse_table(handle, {"duration_seconds"}, source=name):
        yield video_id, row["duration_seconds"].strip()


def _box_rows(handle: TextIO, name: str) -> Iterator[tuple[str, list[str]]]:
    yield from parse_box_table(handle, source=name)


def _list_rows(handle: TextIO, name: str) -> Iterator[tuple[str, None]]:
    for video_id, _ in parse_table(handle, (), source=name):
        yield video_id, None


def _splits(base: Path) -> dict[str, list[str]] | None:
    names: dict[str, str] = {}
    for name in SPLIT_TABLES:
        if (base / name).is_file():
            names.setdefault(Path(name).stem, name)
    found: dict[str, list[str]] = {}
    for name in names.values():
        for video_id, _ in _read(base, name, _list_rows):
            if name not in (lists := found.setdefault(video_id, [])):
                lists.append(name)
    return found if names else None


def _media(base: Path) -> dict[str, MediaRef]:
    """Pictures by id: frames at 15 a second before video files, whose frames are numbered anew."""
    found: dict[str, MediaRef] = {}
    for name in VIDEO_FOLDERS:
        for suffix in VIDEO_SUFFIXES:
            for path in sorted((base / name).glob(f"*{suffix}")):
                if path.is_file() and YOUTUBE_ID.fullmatch(path.stem):
                    ref = MediaRef(kind=MediaKind.VIDEO, path=f"{name}/{path.name}")
                    found.setdefault(path.stem, ref)
    for name, pattern in reversed(FRAME_FOLDERS.items()):
        for path in sorted((base / name).glob("*")):
            if YOUTUBE_ID.fullmatch(path.name) and path.is_dir() and _holds(path, pattern):
                found[path.name] = MediaRef(
                    kind=MediaKind.FRAMES, path=f"{name}/{path.name}", pattern=pattern
                )
    return found


def _holds(folder: Path, pattern: str) -> bool:
    shape = re.compile(pattern)
    with os.scandir(folder) as entries:
        return any(shape.fullmatch(entry.name) for entry in entries)


def _box_images(base: Path) -> dict[str, list[str]]:
    """Boxed images by video; of images of one name the first folder's."""
    found: dict[str, dict[str, str]] = {}
    for folder in _BOX_IMAGE_FOLDERS:
        if not (base / folder).is_dir():
            continue
        with os.scandir(base / folder) as entries:
            for entry in entries:
                match = IMAGE_NAME.fullmatch(entry.name)
                if match and entry.is_file():
                    found.setdefault(match[1], {}).setdefault(match[2], f"{folder}/{entry.name}")
    return {video_id: sorted(paths.values()) for video_id, paths in found.items()}


def whole_id(cut: str, labelled: Iterable[str]) -> str | None:
    """The one labelled id that a listed id is the start of, cut at a dash; None without just one.

    >>> whole_id("1AwmGrnk", ["1AwmGrnk-Qs", "1yd_OrU2apY"])
    '1AwmGrnk-Qs'
    """
    fitting = [video_id for video_id in labelled if cut and video_id.startswith(f"{cut}-")]
    return fitting[0] if len(fitting) == 1 else None


def repair_lists(tree: NativeTree) -> Mapping[str, str]:
    """Move list entries whose id is cut at a dash to the video they mean.

    Returns:
        The cut id by whole id.
    """
    cut_ids: dict[str, str] = {}
    lists = tree.splits or {}
    labelled = [v for v, e in tree.entries.items() if e.is_labelled and YOUTUBE_ID.fullmatch(v)]
    for video_id in sorted(lists):
        if YOUTUBE_ID.fullmatch(video_id) or video_id in tree.entries:
            continue
        whole = whole_id(video_id, labelled)
        if whole is not None and whole not in cut_ids:
            cut_ids[whole] = video_id
            known = lists.setdefault(whole, [])
            known += [name for name in lists.pop(video_id) if name not in known]
    return cut_ids
