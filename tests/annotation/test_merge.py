"""Corrections meet what the native files say today, item by item."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.merge import CaptionChange, Fate, merge_corrections
from schemas.annotation import CvsInterval, SkillScores, VideoAnnotation
from schemas.correction import Correction, CorrectionKind
from schemas.geometry import Box
from schemas.timeline import Interval, Segment, SegmentKind, TimeBase
from schemas.video import Video

VIDEO = Video(
    source="cholect50", video_id="VID01", identity="cholec80:1", resolution_wh=(854, 480),
    media=None, time_base=TimeBase(rate_num=25, frame_rate_num=25), licence="cc0",
)  # fmt: skip
LABELS = ("cut", "tie", "wash")


def _segment(start: int, end: int, label: str, index: int | None = None) -> Segment:
    return Segment(start=start, end=end, kind=SegmentKind.PHASE, label=label, native_index=index)


def _annotation(*segments: Segment, **fields: object) -> VideoAnnotation:
    return VideoAnnotation.model_validate({
        "video": VIDEO, "segments": segments, "candidates": {"phase": LABELS},
        "revision": "native", **fields,
    })  # fmt: skip


def _fix(
    kind: CorrectionKind, before: object, after: object, *, who: str = "ada", task: str = "t1",
    when: str = "2026-01-01T10:00:00Z",
) -> Correction:  # fmt: skip
    def plain(item: object) -> object:
        return item.model_dump(mode="json") if hasattr(item, "model_dump") else item

    return Correction.model_validate({
        "who": who, "when": when, "tool": "test", "task_id": task, "source": "cholect50",
        "video_id": "VID01", "base_revision": "native", "kind": kind, "before": plain(before),
        "after": plain(after),
    })  # fmt: skip


def test_a_changed_segment_keeps_its_native_place_and_says_it_was_corrected() -> None:
    annotation = _annotation(_segment(0, 50, "cut", 0), _segment(50, 90, "tie", 1))
    fix = _fix(CorrectionKind.SEGMENT, _segment(0, 50, "cut"), _segment(0, 40, "cut"))
    merge = merge_corrections(annotation, [fix])
    assert [(s.start, s.end, s.native_index) for s in merge.annotation.segments] == [
        (0, 40, 0), (50, 90, 1),
    ]  # fmt: skip
    assert merge.annotation.segments[0].flags == ("corrected",)
    assert merge.annotation.revision != "native"
    assert merge.count() == {"applied": 1}


def test_the_same_corrections_give_the_same_revision_and_none_give_the_native_one() -> None:
    annotation = _annotation(_segment(0, 50, "cut"))
    fix = _fix(CorrectionKind.SEGMENT, None, _segment(60, 70, "tie"))
    first = merge_corrections(annotation, [fix]).annotation
    assert first == merge_corrections(annotation, [fix]).annotation
    assert merge_corrections(annotation, []).annotation is annotation


def test_a_native_file_that_took_the_fix_over_needs_none() -> None:
    fix = _fix(CorrectionKind.SEGMENT, _segment(0, 50, "cut"), _segment(0, 40, "cut"))
    merge = merge_corrections(_annotation(_segment(0, 40, "cut", 7)), [fix])
    assert merge.verdicts[0].fate is Fate.ALREADY
    assert merge.annotation.revision == "native"


def test_a_native_label_that_changed_otherwise_is_a_conflict_and_stays() -> None:
    annotation = _annotation(_segment(0, 45, "tie"))
    fix = _fix(CorrectionKind.SEGMENT, _segment(0, 50, "cut"), _segment(0, 40, "cut"))
    merge = merge_corrections(annotation, [fix])
    assert merge.verdicts[0].fate is Fate.CONFLICT
    assert "no longer there" in merge.verdicts[0].detail
    assert merge.annotation is annotation


def test_two_annotators_who_change_one_segment_differently_conflict() -> None:
    annotation = _annotation(_segment(0, 50, "cut"))
    ada = _fix(CorrectionKind.SEGMENT, _segment(0, 50, "cut"), _segment(0, 40, "cut"))
    bob = _fix(
        CorrectionKind.SEGMENT, _segment(0, 50, "cut"), _segment(0, 30, "cut"), who="bob", task="t2"
    )
    merge = merge_corrections(annotation, [ada, bob])
    assert [v.fate for v in merge.verdicts] == [Fate.APPLIED, Fate.CONFLICT]
    assert merge.annotation.segments[0].end == 40


def test_a_later_fix_builds_on_the_earlier_one_and_may_undo_it() -> None:
    first = _fix(CorrectionKind.SEGMENT, _segment(0, 50, "cut"), _segment(0, 40, "cut"))
    back = _fix(
        CorrectionKind.SEGMENT, _segment(0, 40, "cut"), _segment(0, 50, "cut"), task="t2",
        when="2026-01-02T10:00:00Z",
    )  # fmt: skip
    merge = merge_corrections(_annotation(_segment(0, 50, "cut")), [first, back])
    assert merge.annotation.segments[0].end == 50
    assert merge.count() == {"applied": 2}


def test_a_label_that_is_no_candidate_takes_its_whole_submission_back() -> None:
    annotation = _annotation(_segment(0, 50, "cut"), _segment(50, 90, "tie"))
    good = _fix(CorrectionKind.SEGMENT, _segment(0, 50, "cut"), _segment(0, 40, "cut"))
    bad = _fix(CorrectionKind.SEGMENT, _segment(50, 90, "tie"), _segment(50, 90, "dance"))
    other = _fix(CorrectionKind.SEGMENT, None, _segment(95, 99, "wash"), task="t9")
    merge = merge_corrections(annotation, [good, bad, other])
    assert [v.fate for v in merge.verdicts] == [Fate.CONFLICT, Fate.CONFLICT, Fate.APPLIED]
    assert "dance" in merge.verdicts[1].detail
    assert [s.end for s in merge.annotation.segments] == [50, 90, 99]


def test_a_border_between_two_intervals_moves_although_they_overlap_halfway() -> None:
    scores = {"two_structures": 1, "cystic_plate": 0, "hepatocystic_triangle": 2}
    a, b = CvsInterval(start=0, end=10, **scores), CvsInterval(start=10, end=20, **scores)
    annotation = _annotation(cvs=(a, b))
    longer, shorter = a.model_copy(update={"end": 15}), b.model_copy(update={"start": 15})
    fixes = [_fix(CorrectionKind.CVS, a, longer), _fix(CorrectionKind.CVS, b, shorter)]
    merge = merge_corrections(annotation, fixes)
    assert [(c.start, c.end) for c in merge.annotation.cvs] == [(0, 15), (15, 20)]
    overlapping = merge_corrections(annotation, fixes[:1])
    assert overlapping.verdicts[0].fate is Fate.CONFLICT
    assert overlapping.annotation is annotation


def test_boxes_skill_and_excluded_stretches_are_corrected() -> None:
    box = Box(tick=4, xyxy=(1.0, 2.0, 30.0, 40.0), label="hook", track="1", flags=("frozen",))
    skill = SkillScores(level="N", scores={"Time and motion": 2})
    annotation = _annotation(boxes=(box,), skill=skill)
    merge = merge_corrections(annotation, [
        _fix(CorrectionKind.BOX, box, box.model_copy(update={"xyxy": (2.0, 2.0, 30.0, 40.0)})),
        _fix(CorrectionKind.SKILL, skill, SkillScores(level="N", scores={"Time and motion": 3})),
        _fix(CorrectionKind.EXCLUDED, None, Interval(start=5, end=9, reason="out_of_body")),
    ])  # fmt: skip
    fixed = merge.annotation
    assert (fixed.boxes[0].xyxy, fixed.boxes[0].flags) == ((2.0, 2.0, 30.0, 40.0), ("corrected",))
    assert fixed.skill is not None
    assert fixed.skill.scores == {"Time and motion": 3}
    assert fixed.excluded[0].reason == "out_of_body"


def test_captions_chain_and_a_rejected_pair_can_be_taken_back() -> None:
    def caption(text: str) -> dict[str, str]:
        return {"clip_id": "c", "scope": "event", "subject": "0:9:cut", "text": text}

    merge = merge_corrections(_annotation(), [
        _fix(CorrectionKind.CAPTION, caption("one"), caption("two")),
        _fix(CorrectionKind.CAPTION, caption("two"), caption("drei ä 三"), task="t2"),
        _fix(CorrectionKind.CAPTION, caption("one"), caption("other"), task="t3"),
        _fix(CorrectionKind.SAMPLE, None, {"sample_id": "s1", "verdict": "reject"}),
        _fix(CorrectionKind.SAMPLE, None, {"sample_id": "s2", "verdict": "reject"}),
        _fix(CorrectionKind.SAMPLE, {"sample_id": "s1", "verdict": "reject"}, None, task="t4"),
    ])  # fmt: skip
    assert merge.captions == {("c", "event", "0:9:cut"): CaptionChange("one", "drei ä 三")}
    assert merge.rejected == {"s2"}
    assert [v.fate.value for v in merge.verdicts] == [
        "applied", "applied", "conflict", "applied", "applied", "applied",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        ({"start": 5, "end": 5, "kind": "phase", "label": "cut"}, None),
        (None, {"start": 0, "end": 5, "kind": "phase", "label": "cut", "colour": "red"}),
        (
            {"start": 0, "end": 5, "kind": "phase", "label": "cut"},
            {"start": 0, "end": 5, "kind": "phase", "label": "cut", "native_index": 3},
        ),
    ],
)
def test_a_correction_that_means_nothing_cannot_exist(before: object, after: object) -> None:
    with pytest.raises(ValueError, match=r"before|after"):
        _fix(CorrectionKind.SEGMENT, before, after)


spans = st.tuples(st.integers(0, 90), st.integers(1, 30), st.sampled_from(LABELS))


@settings(max_examples=100, deadline=None)
@given(st.lists(spans, min_size=1, max_size=12, unique=True), st.data())
def test_any_edit_seen_on_the_labels_arrives_in_them(
    drawn: list[tuple[int, int, str]], picker: st.DataObject
) -> None:
    wanted = [_segment(a, a + n, label) for a, n, label in drawn]
    native = picker.draw(st.lists(spans, max_size=12, unique=True))
    seen = [_segment(a, a + n, label) for a, n, label in native]
    seen.sort(key=lambda s: (s.start, s.end))
    fixes = [
        *(_fix(CorrectionKind.SEGMENT, s, None) for s in seen if s not in wanted),
        *(_fix(CorrectionKind.SEGMENT, None, s) for s in wanted if s not in seen),
    ]
    merge = merge_corrections(_annotation(*seen), fixes)
    said = {(s.start, s.end, s.label) for s in merge.annotation.segments}
    assert said == {(s.start, s.end, s.label) for s in wanted}
    assert Fraction(len(merge.verdicts)) == len(fixes)
