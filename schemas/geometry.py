"""Boxes in pixels and the overlaps every metric stands on."""

from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from schemas.scalars import Label, Model, Pixels, Tick

Xyxy = tuple[Pixels, Pixels, Pixels, Pixels]


class Triplet(Model):
    """What an instrument does to what: the action triplet of CholecT50.

    Attributes:
        instrument: Instrument label.
        verb: Verb label, or None where the source gives none.
        target: Target label, or None where the source gives none.
    """

    instrument: Label
    verb: Label | None = None
    target: Label | None = None


UNRELIABLE_FLAGS = frozenset({"frozen", "out_of_view"})
"""Flags of boxes that no question may rest on: they do not follow the object, or it is not seen."""


class Box(Model):
    """One object on one frame.

    Attributes:
        tick: Time of the frame.
        xyxy: Left, top, right, bottom in pixels of `Video.resolution_wh`; half-open, x right, y
            down, inside the image.
        label: Object class.
        track: Identity of the object through time, unique within the video and label.
        triplet: What the object is doing, where the source says.
        operator: Whose hand holds it, where the source says.
        flags: Visibility attributes and repairs, sorted: `occluded`, `bleeding`, `clipped`, ….
    """

    tick: Tick
    xyxy: Xyxy
    label: Label
    track: Label | None = None
    triplet: Triplet | None = None
    operator: Label | None = None
    flags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_area(self) -> Self:
        x1, y1, x2, y2 = self.xyxy
        if not (0 <= x1 < x2 and 0 <= y1 < y2):
            raise ValueError(f"box {self.xyxy} needs 0 <= x1 < x2 and 0 <= y1 < y2")
        return self

    @property
    def is_reliable(self) -> bool:
        """Whether a question may rest on this box."""
        return UNRELIABLE_FLAGS.isdisjoint(self.flags)


def xywh_to_xyxy(xywh: Sequence[float]) -> tuple[float, float, float, float]:
    """Turn left, top, width, height into left, top, right, bottom, in the same unit."""
    x, y, width, height = xywh
    return (x, y, x + width, y + height)


def clip_xyxy(
    xyxy: Sequence[float], resolution_wh: tuple[int, int]
) -> tuple[tuple[float, float, float, float] | None, bool]:
    """Clip a box to the image.

    Args:
        xyxy: Left, top, right, bottom in pixels, possibly past the image edge.
        resolution_wh: Width and height of the image in pixels.

    Returns:
        The box inside the image, or None where nothing of it is left, and whether it changed.
    """
    width, height = resolution_wh
    x1, y1 = max(0.0, xyxy[0]), max(0.0, xyxy[1])
    x2, y2 = min(float(width), xyxy[2]), min(float(height), xyxy[3])
    if not (x1 < x2 and y1 < y2):
        return None, True
    clipped = (x1, y1, x2, y2)
    return clipped, clipped != tuple(xyxy)


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two `xyxy` boxes, 0 where both are empty.

    >>> box_iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inside = max(0.0, width) * max(0.0, height)
    area_a = max(0.0, a[2] - a[0]) * max(0.0, a[3] - a[1])
    area_b = max(0.0, b[2] - b[0]) * max(0.0, b[3] - b[1])
    union = area_a + area_b - inside
    return inside / union if union > 0 else 0.0


def tiou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two `(start, end)` intervals, 0 where both are empty.

    >>> tiou((0.0, 4.0), (2.0, 6.0))
    0.3333333333333333
    """
    inside = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - inside
    return inside / union if union > 0 else 0.0
