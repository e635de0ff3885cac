"""Why a pair differs between two releases: one cause, and what became of the pair."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
import polars as pl

from medvid.releases.diff_builds import CONTENT, BuildDiff, Side
from medvid.releases.diff_rows import PairRow, Payloads, State, clips_of, left_out_reasons


class Kind(StrEnum):
    """What happened to a pair."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Reason(StrEnum):
    """Why; where several hold, the first in this order that is told apart for the pair.

    `label_corrected`: native labels or annotators' corrections of the video differ, and so does its
    annotation; `corrections_changed`: the corrections differ and the annotation does not.
    `converter_changed`: the code that reads the source's labels differs and so does what it read;
    whether the native files differ too cannot be told apart. `unexplained` is a fault of this
    list: report it.
    """

    VIDEO_ADDED = "video_added"
    VIDEO_REMOVED = "video_removed"
    VIDEO_QUARANTINED = "video_quarantined"
    VIDEO_RESTORED = "video_restored"
    SPLIT_CHANGED = "split_changed"
    SELECTION_CHANGED = "selection_changed"
    LABEL_CORRECTED = "label_corrected"
    CONVERTER_CHANGED = "converter_changed"
    MEDIA_CHANGED = "media_changed"
    CORRECTIONS_CHANGED = "corrections_changed"
    SETTINGS_CHANGED = "settings_changed"
    CODE_CHANGED = "code_changed"
    CAPTION_CHANGED = "caption_changed"
    UNEXPLAINED = "unexplained"


FIELDS: Mapping[str, str] = {
    "question": "wording", "candidates": "candidates", "answer": "answer", "target": "answer",
    "frame_index": "frames", "frame_tick": "frames", "region_frame": "region",
    "region_xyxy": "region",
}  # fmt: skip
"""What it is called where a field of a pair differs; any other field is `facts`."""

REVISION = "revision"
"""What is called of a pair that says the same as before, of a video whose labels changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One pair that differs.

    Attributes:
        kind: What happened.
        reason: Why.
        what: What became of it, sorted: of a changed pair what differs (`answer`, `wording`,
            `candidates`, `caption`, `frames`, `region`, `facts`, `revision`, `split`,
            `entered_standard`, `left_standard`, `pictures`); of the others `clip_moved` (the same
            question is asked of an overlapping clip, `counterpart`), `subject_moved` (of the same
            clip, about another extent), `clip_new`, `clip_gone`, `question_new`, `question_gone`,
            `drawn`, `left_out`, `video`.
        sample_id: The pair.
        source: Module name of the source.
        video_id: The video.
        task: One of the eight tasks.
        before: Where the first release has it: split and `standard`, empty where it has not.
        after: Where the second has it.
        counterpart: The pair that asks the same in the other release, empty where none does.
        detail: More about the reason, e.g. the settings; may be empty.
    """

    kind: Kind
    reason: Reason
    what: tuple[str, ...]
    sample_id: str
    source: str
    video_id: str
    task: str
    before: str
    after: str
    counterpart: str = ""
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


Cause = tuple[Reason, str]


class Explainer:
    """Finds the reason of each change of two releases.

    Args:
        a: The first release.
        b: The second.
        builds: What their builds differ in.
        rows: Pairs that differ, from `differing_rows`.
        payloads: The pairs of each.
    """

    def __init__(
        self,
        a: Side,
        b: Side,
        builds: BuildDiff,
        rows: pl.DataFrame,
        payloads: tuple[Payloads, Payloads],
    ) -> None:
        self._a, self._b = a, b
        self._builds = builds
        added = rows.filter(pl.col("shard").is_null())
        removed = rows.filter(pl.col("shard_b").is_null())
        self._left_out = (left_out_reasons(a, added), left_out_reasons(b, removed))
        self._clips = (clips_of(a, added["clip_id_b"]), clips_of(b, removed["clip_id"]))
        self._payloads = payloads
        self._labels = set(builds.labels_changed)
        self._read_anew = set(builds.converter_changed)
        self._media = set(builds.media_changed)
        self._moves = {move.video: f"{move.before} -> {move.after}" for move in builds.moved}
        self._content = ", ".join(builds.changed_settings(*CONTENT))
        self._splits = ", ".join(builds.changed_settings("splits", "seed"))
        self._repictured = builds.pictures_changed
        self._pictures = ", ".join(builds.changed_settings("media"))

    def explain(self, group: Sequence[PairRow]) -> Iterator[Change]:
        """Yield the changes of one video, in the order of its pairs."""
        name = f"{group[0].source}/{group[0].video_id}"
        twins = _match_twins(group)
        revised = self._is_revised(group)
        for row in group:
            if row.before is not None and row.after is not None:
                yield self._changed(name, row, row.before, row.after)
            else:
                yield self._one_sided(name, row, twins.get(row.sample_id), revised=revised)

    def _one_sided(
        self, name: str, row: PairRow, twin: PairRow | None, *, revised: bool | None
    ) -> Change:
        added = row.before is None
        state = row.after if row.before is None else row.before
        if state is None:
            raise ValueError(f"{row.sample_id} is in neither release")
        left_out = self._left_out[0 if added else 1].get(row.sample_id)
        if left_out is not None:
            reason, detail = self._selected(name)
            what, twin = "drawn" if added else "left_out", None
            detail = f"{left_out}; {detail}" if detail else left_out
        else:
            reason, detail = self._gone(name, added=added) or self._cause(name, revised=revised)
            what = (
                "video"
                if reason in _WHOLE_VIDEO
                else _fate(state, twin, self._clips[0 if added else 1], added=added)
            )
        return Change(
            Kind.ADDED if added else Kind.REMOVED, reason, (what,), row.sample_id, row.source,
            row.video_id, row.task, _where(row.before), _where(row.after),
            twin.sample_id if twin else "", detail,
        )  # fmt: skip

    def _changed(self, name: str, row: PairRow, before: State, after: State) -> Change:
        what: set[str] = set()
        said: set[str] = set()
        revised = captioned = False
        if row.rewritten:
            old, new = self._payloads[0].parse(before), self._payloads[1].parse(after)
            said, revised, captioned = _compare(old, new)
        if before.split != after.split:
            what.add("split")
        if before.in_standard != after.in_standard:
            what.add("entered_standard" if after.in_standard else "left_standard")
        if name in self._media or self._repictured:
            what.add("pictures")
        reason, detail = self._why_changed(
            name, what, said, revised=revised, captioned=captioned, rewritten=row.rewritten
        )
        return Change(
            Kind.CHANGED, reason, tuple(sorted(what | said)), row.sample_id, row.source,
            row.video_id, row.task, _where(before), _where(after), "", detail,
        )  # fmt: skip

    def _why_changed(
        self,
        name: str,
        what: set[str],
        said: set[str],
        *,
        revised: bool,
        captioned: bool,
        rewritten: bool,
    ) -> Cause:
        if "split" in what:
            return self._selected(name)
        if rewritten:
            cause = self._cause(name, revised=revised)
            if cause[0] is Reason.UNEXPLAINED and captioned:
                return Reason.CAPTION_CHANGED, ""
            return cause
        if "pictures" in what:
            if name in self._media:
                return Reason.MEDIA_CHANGED, ""
            return Reason.SETTINGS_CHANGED, self._pictures
        return self._selected(name)

    def _gone(self, name: str, *, added: bool) -> Cause | None:
        """Why a whole video came or went, None where it is in both releases."""
        there = self._a if added else self._b
        if name not in there.inputs:
            return (Reason.VIDEO_ADDED if added else Reason.VIDEO_REMOVED), ""
        if name in there.dead and not there.videos.get(name, ("", 0))[1]:
            reason = Reason.VIDEO_RESTORED if added else Reason.VIDEO_QUARANTINED
            return reason, there.dead[name]
        return None

    def _selected(self, name: str) -> Cause:
        """Why a pair is drawn otherwise."""
        if name in self._moves:
            told = f"; {self._splits}" if self._splits else ""
            return Reason.SPLIT_CHANGED, f"{self._moves[name]}{told}"
        return Reason.SELECTION_CHANGED, self._splits or "the pool it is dealt from changed"

    def _cause(self, name: str, *, revised: bool | None) -> Cause:
        """Why a video gives other pairs, or pairs that say something else.

        Args:
            name: The video.
            revised: Whether the revision of its annotation differs, None where not known.
        """
        if name in self._labels and revised is not False:
            return Reason.LABEL_CORRECTED, ""
        if name in self._read_anew and revised is not False:
            return Reason.CONVERTER_CHANGED, ""
        if name in self._media:
            return Reason.MEDIA_CHANGED, ""
        if self._builds.corrections_head is not None and name in self._labels:
            return Reason.CORRECTIONS_CHANGED, ""
        if self._content:
            return Reason.SETTINGS_CHANGED, self._content
        if self._builds.code_changed or self._builds.versions:
            return Reason.CODE_CHANGED, ", ".join(sorted(self._builds.versions))
        if revised:
            return Reason.LABEL_CORRECTED, ""
        return Reason.UNEXPLAINED, ""

    def _is_revised(self, group: Sequence[PairRow]) -> bool | None:
        """Whether the video's annotation differs, told by a pair of either release."""
        name = f"{group[0].source}/{group[0].video_id}"
        if name not in self._labels | self._read_anew:
            return None
        revisions = []
        for side, payloads in zip(("before", "after"), self._payloads, strict=True):
            states = (getattr(row, side) for row in group)
            state = next((state for state in states if state is not None), None)
            if state is None:
                return None
            revisions.append(orjson.loads(payloads.parse(state)["provenance"]).get("revision"))
        return bool(revisions[0] != revisions[1])


_WHOLE_VIDEO = {
    Reason.VIDEO_ADDED, Reason.VIDEO_REMOVED, Reason.VIDEO_QUARANTINED, Reason.VIDEO_RESTORED,
}  # fmt: skip


def _where(state: State | None) -> str:
    if state is None:
        return ""
    return f"{state.split}+standard" if state.in_standard else state.split


def _fate(state: State, twin: PairRow | None, clips: set[str], *, added: bool) -> str:
    """What became of a pair of one release; `clips` are those the other has pairs of."""
    if twin is not None:
        other = twin.before if added else twin.after
        same = other is not None and other.clip_id == state.clip_id
        return "subject_moved" if same else "clip_moved"
    if state.clip_id in clips:
        return "question_new" if added else "question_gone"
    return "clip_new" if added else "clip_gone"


def _compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[set[str], bool, bool]:
    """What two forms of a pair differ in, whether its annotation does, and its captions."""
    said = {
        FIELDS.get(field, "facts")
        for field in old.keys() | new.keys()
        if field != "provenance" and old.get(field) != new.get(field)
    }
    before, after = orjson.loads(old["provenance"]), orjson.loads(new["provenance"])
    revised = before.get("revision") != after.get("revision")
    captioned = before.get("captions") != after.get("captions")
    if captioned:
        said.add("caption")
    if not said:
        said.add(REVISION if revised else "facts")
    return said, revised, captioned


def _match_twins(group: Sequence[PairRow]) -> dict[str, PairRow]:
    """Pairs of one release alone with the pair that asks the same in the other, both ways.

    The same question is of the same type and label, about an overlapping clip; of several the one
    that overlaps most, each used once.
    """
    gone: dict[tuple[str, str, str], list[tuple[PairRow, State]]] = {}
    for row in group:
        if row.after is None and row.before is not None:
            key = (row.task, row.before.qa_type, row.before.label)
            gone.setdefault(key, []).append((row, row.before))
    twins: dict[str, PairRow] = {}
    for row in group:
        if row.before is not None or row.after is None:
            continue
        rivals = gone.get((row.task, row.after.qa_type, row.after.label), [])
        ranked = [(_shared_ticks(old, row.after), place) for place, (_, old) in enumerate(rivals)]
        best, place = max(ranked, default=(0, -1), key=lambda item: (item[0], -item[1]))
        if best > 0:
            other, _ = rivals.pop(place)
            twins[row.sample_id], twins[other.sample_id] = other, row
    return twins


def _shared_ticks(a: State, b: State) -> int:
    return min(a.clip_end, b.clip_end) - max(a.clip_start, b.clip_start)
