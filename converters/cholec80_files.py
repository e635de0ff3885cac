r"""Cholec80's own files beside labels made for it: phase annotations, videos, exported images.

```
phase_annotations/video01-phase.txt    `Frame<TAB>Phase`, one row per 25-fps frame, from 0
videos/video01.mp4                     25 fps
frames/video01/video01_000001.png      1-fps export, from 1: image n shows frame 25 (n - 1)
```
All three lie beside the workbook or in `cholec80/` beside it (Twinanda et al., IEEE TMI 2017).
"""

import re
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from converters.cholecystectomy import PHASE
from converters.frame_images import frame_files
from converters.image_size import Size, read_mp4_size, read_png_size
from converters.native_json import shown
from converters.native_tree import child_folder, numbered_files, numbered_folders
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.timeline import TimeBase
from schemas.video import MediaKind, MediaRef

FPS: Final = 25
VIDEOS: Final = range(1, 81)
FIRST_CLIP: Final = "ClippingCutting"
VIDEO_BASE: Final = TimeBase(rate_num=FPS, frame_rate_num=FPS)
EXPORT_BASE: Final = TimeBase(rate_num=FPS, frame_rate_num=1, first_index=1)
IMAGE_PATTERN: Final = r"(?:video[0-9]{1,3}_)?([0-9]{1,8})\.png"

MAX_SECONDS: Final = 5_994
"""Images of the longest video at 1 fps: video58 has 5,993 s and one frame."""

_SPARE_IMAGES: Final = 3
_MAX_PHASE_CHARACTERS: Final = 1 << 26
_MOVIE: Final = re.compile(r"video0*([0-9]{1,3})\.mp4", re.IGNORECASE)
_FOLDER: Final = re.compile(r"video0*([0-9]{1,3})", re.IGNORECASE)
_PHASE_FILE: Final = re.compile(r"video0*([0-9]{1,3})-phase\.txt", re.IGNORECASE)
_FRAME: Final = re.compile(r"[0-9]{1,8}")


class PhaseTimes(NamedTuple):
    """What a phase file says of a video's time.

    Attributes:
        frames: Frames at 25 fps.
        first_clip: First frame of clipping and cutting, from 0, or None.
    """

    frames: int
    first_clip: int | None


class Pictures(NamedTuple):
    """The pictures of a video.

    Attributes:
        time_base: How they count frames; ticks are 25-fps frames either way.
        size: Width and height their header states, None where none can be read.
    """

    time_base: TimeBase
    size: Size | None


def parse_phases(handle: TextIO, *, dataset: str, source: str) -> PhaseTimes:
    """Read a phase file.

    Raises:
        MalformedSourceError: The text has another form, or frames do not increase.
        UnknownLabelError: A phase is in no vocabulary.
    """
    try:
        lines = handle.read(_MAX_PHASE_CHARACTERS).splitlines()
    except UnicodeDecodeError as error:
        raise MalformedSourceError(
            "it is no UTF-8 text.", dataset=dataset, source=source
        ) from error
    if not lines or lines[0].split() != ["Frame", "Phase"]:
        raise MalformedSourceError(
            "the header is not Frame and Phase.", dataset=dataset, source=source, line=1
        )
    before, first_clip, known = -1, None, set[str]()
    for line, text in enumerate(lines[1:], start=2):
        number, _, phase = text.partition("\t")
        if not _FRAME.fullmatch(number) or int(number) <= before:
            raise MalformedSourceError(
                f"{shown(text)} is no frame and phase, or not later than frame {before}.",
                dataset=dataset, source=source, line=line,
            )  # fmt: skip
        if phase not in known:
            PHASE.label(phase.strip(), dataset=dataset, source=source)
            known.add(phase)
        before = int(number)
        if first_clip is None and phase.strip() == FIRST_CLIP:
            first_clip = before
    if before < 0:
        raise MalformedSourceError("it lists no frame.", dataset=dataset, source=source, line=2)
    return PhaseTimes(before + 1, first_clip)


def find_phases(base: Path) -> dict[int, list[str]]:
    """Phase files by video number, relative to the base."""
    found: dict[int, list[str]] = {}
    for folder in _folders(base, "phase_annotations"):
        for number, paths in numbered_files(folder, _PHASE_FILE).items():
            found.setdefault(number, []).extend(path.relative_to(base).as_posix() for path in paths)
    return found


def find_pictures(base: Path) -> dict[int, list[MediaRef]]:
    """Pictures by video number; movies before images, which show one frame a second only."""
    found: dict[int, list[MediaRef]] = {}
    for folder in _folders(base, "videos"):
        for number, paths in numbered_files(folder, _MOVIE).items():
            refs = [
                MediaRef(kind=MediaKind.VIDEO, path=path.relative_to(base).as_posix())
                for path in paths
            ]
            found.setdefault(number, []).extend(refs)
    for folder in (*_folders(base, "frames"), *_folders(base, "videos")):
        for number, paths in numbered_folders(folder, _FOLDER).items():
            refs = [
                MediaRef(
                    kind=MediaKind.FRAMES, path=path.relative_to(base).as_posix(),
                    pattern=IMAGE_PATTERN,
                )
                for path in paths
            ]  # fmt: skip
            found.setdefault(number, []).extend(refs)
    return {number: refs for number, refs in found.items() if number in VIDEOS}


def read_pictures(
    root: Path, media: MediaRef, phases: PhaseTimes | None, *, dataset: str
) -> Pictures:
    """Look at the pictures of a video without decoding any.

    Raises:
        MissingSourceError: They are not there.
        MalformedSourceError: The images are not those of an export at 1 fps, counted from 1: any
            other export looks alike and would shift every label.
    """
    path = root / media.path
    if not path.exists():
        raise MissingSourceError("it is not there.", dataset=dataset, source=media.path)
    if media.kind is MediaKind.VIDEO:
        with path.open("rb") as handle:
            return Pictures(VIDEO_BASE, read_mp4_size(handle))
    images = frame_files(path, IMAGE_PATTERN)
    first, last = min(images, default=0), max(images, default=0)
    seconds = MAX_SECONDS if phases is None else -(-phases.frames // FPS)
    # Exporters differ by an image at the end.
    short = phases is not None and last < seconds - _SPARE_IMAGES
    if first == 0 or last > seconds + 1 or short:
        found = f"images {first} to {last}" if images else "no image videoNN_NNNNNN.png"
        raise MalformedSourceError(
            f"there are {found}; an export at 1 fps counts from 1 to about {seconds}.",
            dataset=dataset, source=media.path,
            action="Use the mp4, or export one image a second, numbered from 1.",
        )  # fmt: skip
    with (path / images[first]).open("rb") as handle:
        return Pictures(EXPORT_BASE, read_png_size(handle))


def _folders(base: Path, name: str) -> list[Path]:
    homes = (base, child_folder(base, "cholec80"))
    found = [child_folder(home, name) for home in homes if home is not None]
    return [folder for folder in found if folder is not None]
