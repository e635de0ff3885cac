"""Tool records of CholecTrack20, 23 keys each, from a made-up operation."""

from dataclasses import dataclass, replace
from typing import Final

from medvid.synthetic.cholecystectomy import (
    BAG,
    INSTRUMENTS,
    TRIPLETS,
    Bout,
    Hand,
    Operation,
    Stretch,
)  # fmt: skip
from medvid.synthetic.drawing import PixelBox
from medvid.synthetic.effects import Effect
from medvid.synthetic.theatre import Size, boxes_of
from schemas.geometry import box_iou
from schemas.hashing import hash_fraction

FPS: Final = 25
LABEL_WH: Final = (854, 480)
"""Image size every label file states, whatever its video's is."""

Tool = dict[str, int | float | list[float]]
Records = dict[str, list[Tool]]

_ACTED: Final = frozenset({6, 23, 25, 92, 96, 103, 110, 111})
"""Videos whose tools have verb, target and triplet."""

_UNCLASSED_BAGS: Final = frozenset({92, 96, 103, 110, 111})
_ALWAYS_ACTED: Final = frozenset({96, 110})
_OPERATORS: Final = {Hand.NONE: 0, Hand.LEFT: 1, Hand.ASSISTANT: 2, Hand.RIGHT: 3}
_PACK, _GALLBLADDER = 8, 0
_ABSENT, _UNCLASSED = -1, -2
_TOOLS: Final = (*INSTRUMENTS, BAG)
_BOX_MISSING, _TRIPLET_MISMATCHED = 96, {25: 43, 23: 94, 111: 12}
_OFTEN_MISMATCHED, _MISMATCHES = 111, 32


@dataclass(frozen=True, slots=True)
class Recording20:
    """One untrimmed recording.

    Attributes:
        number: Official video number.
        operation: What happens after the lead.
        resolution_wh: Size of its pictures.
        lead_s: Seconds before the camera enters the body.
        total_s: Length in seconds.
        keep: Annotate at most this many frames, None for all with a tool.
    """

    number: int
    operation: Operation
    resolution_wh: Size
    lead_s: int
    total_s: int
    keep: int | None = None

    def annotated_ids(self) -> list[int]:
        """Frame ids with a tool in view, up to `keep` of them."""
        ids = [
            as_native_id(self.lead_s + second)
            for second, _, bouts in self.operation.seconds()
            if boxes_of(bouts, self.resolution_wh, second)
        ]
        return ids[: self.keep]

    def until_end(self, *, tail_s: int) -> "Recording20":
        """The same recording, ending some seconds after the operation."""
        return replace(self, total_s=self.lead_s + self.operation.duration_s + tail_s)


def as_native_id(second: int) -> int:
    """Frame id at a whole second: 25-fps frames counted from 1."""
    return second * FPS + 1


def write_records(recording: Recording20, *, faults: bool, disguise: bool = False) -> Records:
    """Label every frame on which a tool is in view.

    Args:
        recording: The video.
        faults: Plant the single wrong records of the published file.
        disguise: Change phases and flags, as VID30.json does with the labels of VID17.

    Returns:
        Tools by frame id as text, in time order.
    """
    records: Records = {}
    for second, stretch, bouts in recording.operation.seconds():
        if recording.keep is not None and len(records) >= recording.keep:
            break
        seen = boxes_of(bouts, recording.resolution_wh, second)
        if seen:
            effects = recording.operation.effects_at(second)
            frame = _Frame(recording, second, stretch, seen, effects)
            tools = [frame.tool(place) for place in range(len(seen))]
            records[str(as_native_id(recording.lead_s + second))] = tools
    if disguise:
        _disguise(records)
    if faults:
        _plant(records, recording.number)
    return records


@dataclass(frozen=True, slots=True)
class _Frame:
    recording: Recording20
    second: int
    stretch: Stretch
    seen: list[tuple[Bout, PixelBox]]
    effects: frozenset[Effect]

    def tool(self, place: int) -> Tool:
        bout, (left, top, right, bottom) = self.seen[place]
        width, height = self.recording.resolution_wh
        x, y = left / width, top / height
        verb, target, triplet = self._action(bout)
        return {
            "instrument": _TOOLS.index(bout.actor.label),
            "verb": verb,
            "target": target,
            "phase": self.stretch.phase,
            "triplet": triplet,
            "tool_bbox": [x, y, (right - left) / width, (bottom - top) / height],
            "operator": _OPERATORS[bout.hand],
            "iscrowd": 0,
            "area": (x * LABEL_WH[0]) * (y * LABEL_WH[1]),
            "score": 1.0,
            "intraoperative_track": bout.instrument_number,
            "intracorporeal_track": bout.insertion,
            "visibility_track": bout.view,
            "visibility": 1,
            **self._flags(place),
        }

    def _action(self, bout: Bout) -> tuple[int, int, int]:
        number, operation = self.recording.number, self.recording.operation
        unread = number not in _ALWAYS_ACTED and (
            hash_fraction(operation.seed, "unread", number, self.second, bout.view) < 0.01
        )
        if number not in _ACTED or unread:
            return _ABSENT, _ABSENT, _ABSENT
        if bout.actor.label == BAG:
            if number in _UNCLASSED_BAGS:
                return _PACK, _GALLBLADDER, _UNCLASSED
            return _ABSENT, _ABSENT, _ABSENT
        triplet = operation.triplet_at(bout, self.second, self.stretch)
        return TRIPLETS[triplet][1], TRIPLETS[triplet][2], triplet

    def _flags(self, place: int) -> dict[str, int]:
        own = self.seen[place][1]
        # Later tools are drawn on top, so only they can hide this one.
        hidden = any(box_iou(own, box) > 0 for _, box in self.seen[place + 1 :])
        return {
            "crowded": int(len(self.seen) > 2),
            "visible": 1,
            "occluded": int(hidden),
            "bleeding": int(Effect.BLEEDING in self.effects),
            "smoke": int(Effect.SMOKE in self.effects),
            "blurred": int(Effect.BLURRED in self.effects),
            "undercoverage": int(Effect.UNDERCOVERAGE in self.effects),
            "reflection": int(Effect.REFLECTION in self.effects),
            "stainedlens": int(Effect.STAINED_LENS in self.effects),
        }


def _disguise(records: Records) -> None:
    for position, tools in enumerate(records.values()):
        for tool in tools:
            tool["phase"] = min(6, position * 7 // len(records))
            tool["smoke"] = int(position % 9 == 0)
            tool["blurred"] = int(position % 7 == 0)


def _plant(records: Records, number: int) -> None:
    """Plant the records that are wrong in the published file of this video."""
    frames = list(records)
    if number == _BOX_MISSING:
        tool = records[frames[len(frames) // 2]][0]
        tool["tool_bbox"] = [-1.0, -1.0, -1.0, -1.0]
        tool["area"] = float(LABEL_WH[0] * LABEL_WH[1])
    if number not in _TRIPLET_MISMATCHED:
        return
    wanted = BAG if number == _OFTEN_MISMATCHED else "grasper"
    fitting = [
        tool for tools in records.values() for tool in tools
        if tool["instrument"] == _TOOLS.index(wanted) and tool["verb"] != _ABSENT
    ]  # fmt: skip
    middle = len(fitting) // 2
    for tool in fitting[middle : middle + (_MISMATCHES if wanted == BAG else 1)]:
        tool["triplet"] = _TRIPLET_MISMATCHED[number]
        if tool["triplet"] == TRIPLETS.index((0, 9, 14)):
            tool["verb"] = tool["target"] = _ABSENT
