"""Find EgoSurgery's label files and pictures, whichever of the known layouts a tree has."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from converters.coco_boxes import CocoBlock, index_coco
from converters.egocentric_labels import BOX_SPLIT, DATASET, FrameName, parse_frame_name
from converters.native_tree import subfolders
from schemas.errors import MalformedSourceError
from schemas.video import MediaKind, MediaRef

LABEL_FOLDERS: Final = ("annotations/coco_format", "annotations", "coco_format", ".")
KINDS: Final[Mapping[str, tuple[str, ...]]] = {"hand": ("hands", "hand"), "tool": ("tools", "tool")}
"""Class lists of boxes, and what their folders are called."""

_PHASE_FILE = re.compile(r"([0-9]{2}_[1-9][0-9]?)\.csv")
_RECORDING = re.compile(r"[0-9]{2}")


class BoxFile(NamedTuple):
    """A COCO file.

    Attributes:
        path: Relative to the base folder.
        kind: Class list, a key of `KINDS`.
        recordings: Two-digit recordings that it should hold.
    """

    path: str
    kind: str
    recordings: frozenset[str]


class BoxIndex(NamedTuple):
    """What all COCO files hold.

    Attributes:
        blocks: By part, then class list.
        broken: Files that cannot be read, and why.
    """

    blocks: dict[str, dict[str, list[CocoBlock]]]
    broken: dict[BoxFile, MalformedSourceError]


def is_base(folder: Path) -> bool:
    """Whether a folder holds phase files or COCO files where EgoSurgery has them."""
    return bool(phase_files(folder) or box_files(folder))


def phase_files(base: Path) -> dict[str, str]:
    """Phase files by part, relative to the base, from the first label folder that has any."""
    for folder in LABEL_FOLDERS:
        found = {
            match[1]: path.relative_to(base).as_posix()
            for path in sorted((base / folder / "phase").glob("*.csv"))
            if (match := _PHASE_FILE.fullmatch(path.name)) and path.is_file()
        }
        if found:
            return found
    return {}


def box_files(base: Path) -> list[BoxFile]:
    """COCO files: of each class list those by split, else by video, of the first folder that fits.

    Raises:
        MalformedSourceError: One label folder holds a class list under both its names.
    """
    return [file for kind in KINDS for file in _files_of(base, kind)]


def _files_of(base: Path, kind: str) -> list[BoxFile]:
    for folder in LABEL_FOLDERS:
        for style in ("by_split", "by_video"):
            named = {
                name: [
                    BoxFile(path.relative_to(base).as_posix(), kind, recordings)
                    for path, recordings in _listed(base / folder / "bbox" / style / name, style)
                    if path.is_file()
                ]
                for name in KINDS[kind]
            }
            found = [files for files in named.values() if files]
            if len(found) > 1:
                raise MalformedSourceError(
                    f"{kind} boxes are there twice: {found[0][0].path} and {found[1][0].path}.",
                    dataset=DATASET, source=found[0][0].path, action="Remove one of the folders.",
                )  # fmt: skip
            if found:
                return found[0]
    return []


def _listed(folder: Path, style: str) -> Iterator[tuple[Path, frozenset[str]]]:
    """Where the files of a folder should be, and which recordings each should hold."""
    if style == "by_split":
        yield from ((folder / f"{split}.json", BOX_SPLIT[split]) for split in BOX_SPLIT)
    elif folder.is_dir():
        for inner in subfolders(folder):
            if _RECORDING.fullmatch(inner.name):
                yield inner / "annotations.json", frozenset({inner.name})


def index_boxes(base: Path) -> BoxIndex:
    """Read every COCO file once."""
    index = BoxIndex({}, {})
    for file in box_files(base):
        try:
            with (base / file.path).open(encoding="utf-8-sig") as handle:
                found = index_coco(handle, parse_frame_name, dataset=DATASET, source=file.path)
        except MalformedSourceError as error:
            # Told of each recording the file should hold, so that the others lose nothing.
            index.broken[file] = error
            continue
        for part, block in found.items():
            index.blocks.setdefault(part, {}).setdefault(file.kind, []).append(block)
    return index


def find_pictures(base: Path) -> dict[str, MediaRef]:
    """Pictures by part, from `images/<VV>` or, as the tool files name them, `images/<split>/<VV>`.

    A part whose pictures lie in both has those of `images/<VV>`.
    """
    found: dict[str, MediaRef] = {}
    for folder in (base / "images", *(base / "images" / split for split in BOX_SPLIT)):
        for inner in subfolders(folder) if folder.is_dir() else ():
            if _RECORDING.fullmatch(inner.name):
                for part in sorted(_parts_in(inner)):
                    media = MediaRef(
                        kind=MediaKind.FRAMES, path=inner.relative_to(base).as_posix(),
                        pattern=picture_pattern(part),
                    )  # fmt: skip
                    found.setdefault(part, media)
    return found


def picture_pattern(part: str) -> str:
    """Pattern of a part's picture names; all parts of a recording share one folder."""
    return rf"{part}_([0-9]{{4}})\.jpg"


def _parts_in(folder: Path) -> set[str]:
    names: Iterator[FrameName | None] = (
        parse_frame_name(path.name) for path in folder.iterdir() if path.suffix == ".jpg"
    )
    return {name.part for name in names if name is not None and name.part[:2] == folder.name}
