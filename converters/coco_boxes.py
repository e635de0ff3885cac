"""Read COCO files that hold many videos: index each once, then place one video's boxes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TextIO

from converters.image_size import Size, plausible_size
from converters.issue_log import DROPPED, REPAIRED, IssueLog
from converters.native_json import as_int, load_json, shown
from schemas.errors import MalformedSourceError, UnknownLabelError
from schemas.geometry import Box, clip_xyxy, xywh_to_xyxy
from schemas.vocabulary import Vocabulary

MAX_PIXEL: Final = 1 << 20
"""A coordinate beyond this is no pixel of any image."""

Place = Callable[[str], tuple[str, int] | None]
"""Turns an image's `file_name` into the video and native frame it shows, None where it cannot."""


@dataclass(slots=True)
class CocoBlock:
    """What one COCO file says of one video.

    Attributes:
        file: The file, relative to the source root.
        images: Native frame, width and height of each image listed, in frame order.
        boxes: Native frame, the annotation's own id, class name, `bbox` and `iscrowd`, as found;
            in frame order, those of a frame in file order.
        strays: Kind (`box` or `image`) and description of the file's records that belong to no
            video; told with its first video.
    """

    file: str
    images: list[tuple[int, Any, Any]] = field(default_factory=list)
    boxes: list[tuple[int, Any, Any, Any, Any]] = field(default_factory=list)
    strays: list[tuple[str, str]] = field(default_factory=list)

    def finish(self, strays: list[tuple[str, str]]) -> None:
        """Put images and boxes in frame order, and take in the file's strays."""
        self.strays = strays
        self.images.sort(key=lambda image: image[0])
        self.boxes.sort(key=lambda box: box[0])


class PlacedBoxes(NamedTuple):
    """Boxes of one class list in one video.

    Attributes:
        frames: Native frames whose images are listed, with or without boxes.
        boxes: In pixels of the image, in frame order.
    """

    frames: frozenset[int]
    boxes: list[Box]


def index_coco(handle: TextIO, place: Place, *, dataset: str, source: str) -> dict[str, CocoBlock]:
    """Divide a COCO file by video.

    Ids are local to the file: annotations find their image by id, images their video and frame by
    `file_name`, and classes their name in the file's own `categories`.

    Returns:
        Blocks by video, those in alphabetical order.

    Raises:
        MalformedSourceError: The file is no COCO object, or gives one class id two names.
    """
    document = load_json(handle, dataset=dataset, source=source)
    for key in ("images", "annotations", "categories"):
        if not isinstance(document.get(key), list):
            raise MalformedSourceError(
                f"the file has no list of {key}.", dataset=dataset, source=source, field=key
            )
    names = _class_names(document["categories"], dataset, source)
    blocks: dict[str, CocoBlock] = {}
    strays: list[tuple[str, str]] = []
    places = _place_images(document["images"], place, blocks, source, strays)
    for entry in document["annotations"]:
        record = entry if isinstance(entry, dict) else {}
        found = places.get(_id_of(record.get("image_id")))
        if found is None:
            own = shown(record.get("id"))
            strays.append(("box", f"annotation {own} is of no image, or of several."))
        else:
            blocks[found[0]].boxes.append((found[1], *_box_fields(record, names)))
    if not blocks and (document["images"] or document["annotations"]):
        raise MalformedSourceError(
            "no image of the file has a name that says what it shows.", dataset=dataset,
            source=source, field="images",
        )  # fmt: skip
    for rank, video in enumerate(sorted(blocks)):
        blocks[video].finish([] if rank else strays)
    return dict(sorted(blocks.items()))


def _box_fields(
    record: Mapping[str, Any], names: Mapping[int | None, str]
) -> tuple[Any, str, Any, Any]:
    """Id, class name, box and crowd flag of an annotation; an undeclared id stands for its name."""
    class_id = record.get("category_id")
    name = names.get(as_int(class_id), f"id {shown(class_id)}")
    return record.get("id"), name, record.get("bbox"), record.get("iscrowd")


def _class_names(table: Sequence[object], dataset: str, source: str) -> dict[int | None, str]:
    names: dict[int | None, str] = {}
    for entry in table:
        record = entry if isinstance(entry, dict) else {}
        number, name = as_int(record.get("id")), record.get("name")
        if number is None or not isinstance(name, str) or names.get(number, name) != name:
            raise MalformedSourceError(
                f"class {shown(entry)} has no id and name of its own.", dataset=dataset,
                source=source, field="categories",
            )  # fmt: skip
        names[number] = name
    return names


def _id_of(value: object) -> int | str | None:
    return value if isinstance(value, int | str) else None


def _place_images(
    images: Sequence[object],
    place: Place,
    blocks: dict[str, CocoBlock],
    source: str,
    strays: list[tuple[str, str]],
) -> dict[int | str | None, tuple[str, int]]:
    """Video and frame of each image id; ids that two images share lead nowhere."""
    places: dict[int | str | None, tuple[str, int]] = {}
    shared: set[int | str | None] = {None}
    for entry in images:
        record = entry if isinstance(entry, dict) else {}
        name, number = record.get("file_name"), _id_of(record.get("id"))
        found = place(name) if isinstance(name, str) else None
        if found is None or number is None:
            strays.append(("image", f"image {shown(name)} has no usable id, or shows no part."))
            continue
        if places.setdefault(number, found) != found:
            shared.add(number)
        block = blocks.setdefault(found[0], CocoBlock(source))
        block.images.append((found[1], record.get("width"), record.get("height")))
    return {number: found for number, found in places.items() if number not in shared}


def dump_blocks(blocks: Mapping[str, Sequence[CocoBlock]]) -> str:
    """Write one video's blocks, by class list, as JSON text that `load_blocks` reads."""
    return json.dumps(
        {
            kind: [[block.file, block.images, block.boxes, block.strays] for block in found]
            for kind, found in sorted(blocks.items())
            if found
        },
        separators=(",", ":"),
    )  # fmt: skip


def load_blocks(text: str) -> dict[str, list[CocoBlock]]:
    """Read what `dump_blocks` wrote."""
    return {
        kind: [CocoBlock(*block) for block in found] for kind, found in json.loads(text).items()
    }


def image_sizes(blocks: Mapping[str, Sequence[CocoBlock]]) -> Iterator[tuple[int, Size]]:
    """Native frame and size of each image listed that states a size."""
    for found in blocks.values():
        for block in found:
            for frame, width, height in block.images:
                size = plausible_size(as_int(width) or 0, as_int(height) or 0)
                if size is not None:
                    yield frame, size


@dataclass(frozen=True, slots=True)
class BoxRules:
    """What a block's boxes are held against.

    Attributes:
        vocabulary: Classes of the file.
        resolution_wh: Image size; boxes on images of another size are dropped.
        first_frame: Native number of the frame at tick 0.
        taken: Frames that another file of this class list has described already.
    """

    vocabulary: Vocabulary
    resolution_wh: Size
    first_frame: int
    taken: frozenset[int] = frozenset()


def place_boxes(block: CocoBlock, rules: BoxRules, log: IssueLog) -> PlacedBoxes:
    """Turn one block into boxes; what cannot be used goes to the log, each record once."""
    sizes = {frame: (as_int(width), as_int(height)) for frame, width, height in block.images}
    boxes: list[Box] = []
    seen: set[tuple[int, str, str]] = set()
    log.counts["box"] += len(block.boxes)
    log.counts["listed_image"] += len(block.images)
    for kind, detail in block.strays:
        log.counts["box" if kind == "box" else "listed_image"] += 1
        _drop(log, f"stray_{kind}", detail, None, kind=kind)
    for frame, number, name, bbox, crowd in block.boxes:
        where = f"annotations[id={shown(number)}]"
        key = (frame, str(name), json.dumps(bbox))
        if frame in rules.taken:
            fault = ("frame_described_twice", f"frame {frame} stands in another file as well.")
        elif sizes[frame] not in (rules.resolution_wh, (None, None)):
            fault = ("image_size_differs", f"the image of frame {frame} is {sizes[frame]}.")
        elif crowd not in (0, None):
            fault = ("crowd_box", f"the box on frame {frame} encloses a group, not one object.")
        elif key in seen:
            fault = ("repeated_box", f"frame {frame} has the same {shown(name)} twice.")
        else:
            seen.add(key)
            box = _box(frame, name, bbox, rules)
            if isinstance(box, Box):
                boxes.append(box)
                _note_clipped(log, box, bbox, where, frame)
                continue
            fault = box
        _drop(log, *fault, where, frame=frame)
    return PlacedBoxes(frozenset(sizes) - rules.taken, boxes)


def _note_clipped(log: IssueLog, box: Box, bbox: object, where: str, frame: int) -> None:
    if box.flags:
        log.add(
            "box_over_edge", "box", REPAIRED, f"box {shown(bbox)} passes the image edge.",
            "Nothing to do: it was cut at the edge.", where=f"{where}.bbox", at=(frame, 0),
        )  # fmt: skip


def _drop(
    log: IssueLog, reason: str, detail: str, where: str | None, *, frame: int = -1,
    kind: str = "box",
) -> None:  # fmt: skip
    log.add(
        reason, kind, DROPPED, detail, "Correct the record, or leave it out.", where=where,
        at=(frame, 0),
    )  # fmt: skip


def _box(frame: int, name: object, bbox: object, rules: BoxRules) -> Box | tuple[str, str]:
    """The box in pixels, or reason and detail of what is wrong with it."""
    try:
        label = rules.vocabulary.label(str(name))
    except UnknownLabelError:
        return "unknown_class", f"{shown(name)} is none of the {rules.vocabulary.name} classes."
    values = bbox if isinstance(bbox, list) else []
    if len(values) != 4 or not all(_is_pixel(value) for value in values):
        return "bad_box", f"box {shown(bbox)} is not four numbers of pixels."
    if values[2] <= 0 or values[3] <= 0:
        return "empty_box", f"box {shown(bbox)} has no width or no height."
    xyxy, clipped = clip_xyxy(xywh_to_xyxy(values), rules.resolution_wh)
    if xyxy is None:
        return "box_outside_image", f"box {shown(bbox)} lies outside the image."
    flags = ("clipped",) if clipped else ()
    return Box(tick=frame - rules.first_frame, xyxy=xyxy, label=label, flags=flags)


def _is_pixel(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -MAX_PIXEL <= value <= MAX_PIXEL
