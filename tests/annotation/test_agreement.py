"""Several annotators, one answer: each policy, and what a second version of an answer changes."""

import copy
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from annotation.agreement import Policy, Rule, resolve
from annotation.archive import PulledAnnotation
from annotation.codec import decode_results, encode_results
from annotation.jobs import AnnotationTask, Item, Job
from annotation.merge import Fate, merge_corrections
from annotation.pull import supersede
from schemas.annotation import VideoAnnotation
from schemas.correction import Correction
from schemas.timeline import Segment, SegmentKind, TimeBase
from schemas.video import Video

LABELS = ("cut", "tie", "wash")
SEGMENTS = [
    {"start": 0, "end": 20, "kind": "phase", "label": "cut", "native_index": 0, "flags": []},
    {"start": 20, "end": 50, "kind": "phase", "label": "tie", "native_index": 1, "flags": []},
]
TASK = AnnotationTask(
    job=Job.TIMELINE, source="cholect50", video_id="VID01", clip_id="c1", base_revision="native",
    frame_index=tuple(range(10)), frame_tick=tuple(range(0, 100, 10)), end_tick=100, width=64,
    height=48, fps=5, video="/v.mp4", vocabulary={"phase": LABELS},
    items=tuple(
        Item(region_id=f"r{k}", content=dict(content)) for k, content in enumerate(SEGMENTS)
    ),
)  # fmt: skip
NATIVE = VideoAnnotation(
    video=Video(
        source="cholect50", video_id="VID01", identity="cholec80:1", resolution_wh=(64, 48),
        media=None, time_base=TimeBase(rate_num=1, frame_rate_num=1), licence="cc0",
    ),
    segments=tuple(
        Segment(start=0 if k == 0 else 20, end=20 if k == 0 else 50, kind=SegmentKind.PHASE,
                label=LABELS[k], native_index=k)
        for k in range(2)
    ),
    candidates={"phase": LABELS}, revision="native",
)  # fmt: skip

Spans = list[tuple[str | None, int, int, str]]
"""Region id (None for a new one), first and last frame, label."""


def _answer(who: str, spans: Spans, when: str = "2026-01-01T10:00:00Z", **facts: Any) -> Any:
    results = []
    for number, (region, start, end, label) in enumerate(spans):
        results.append({
            "id": region or f"new-{who}-{number}", "type": "timelinelabels",
            "from_name": "phase", "to_name": "video",
            "value": {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]},
        })  # fmt: skip
    annotation = PulledAnnotation(
        annotation_id=f"a-{who}", task=TASK, who=who, when=when, tool="t", skipped=False,
        senior=facts.get("senior", False), lead_time_s=1.0, results=results,
    )  # fmt: skip
    read = decode_results(
        TASK, results, who=who, when=when, tool="t", annotation_id=annotation.annotation_id
    )
    assert read.problems == ()
    return annotation, read.corrections


AS_SHOWN: Spans = [("r0", 1, 2, "cut"), ("r1", 3, 5, "tie")]


def _result(corrections: list[Correction]) -> list[tuple[int, int, str]]:
    merge = merge_corrections(NATIVE, corrections)
    assert all(verdict.fate is Fate.APPLIED for verdict in merge.verdicts)
    return [(s.start, s.end, s.label) for s in merge.annotation.segments]


def test_each_answer_counts_by_itself() -> None:
    ada = _answer("ada", [("r0", 1, 3, "cut"), ("r1", 3, 5, "tie")])
    bob = _answer("bob", AS_SHOWN)
    outcome = resolve(TASK, [ada, bob])
    assert outcome is not None
    assert [len(corrections) for _, corrections in outcome] == [1, 0]


def test_a_majority_moves_an_edge_to_the_median_and_keeps_what_one_alone_changed() -> None:
    policy = Policy(rule=Rule.MAJORITY, annotators=3)
    ada = _answer("ada", [("r0", 1, 3, "cut"), ("r1", 3, 5, "tie")])
    bob = _answer("bob", [("r0", 1, 4, "cut"), ("r1", 3, 5, "wash")])
    assert resolve(TASK, [ada, bob], policy) is None
    eve = _answer("eve", [("r0", 1, 5, "cut"), ("r1", 3, 5, "tie")], "2026-01-02T10:00:00Z")
    outcome = resolve(TASK, [ada, bob, eve], policy)
    assert outcome is not None
    annotation, corrections = outcome[0]
    assert annotation.who == "ada+bob+eve"
    assert _result(list(corrections)) == [(0, 40, "cut"), (20, 50, "tie")]


def test_a_majority_adds_what_overlaps_and_takes_away_what_most_delete() -> None:
    policy = Policy(rule=Rule.MAJORITY, annotators=3)
    ada = _answer("ada", [("r0", 1, 2, "cut"), (None, 6, 8, "wash")])
    bob = _answer("bob", [("r0", 1, 2, "cut"), (None, 6, 9, "wash")])
    eve = _answer("eve", AS_SHOWN)
    outcome = resolve(TASK, [ada, bob, eve], policy)
    assert outcome is not None
    assert _result(list(outcome[0][1])) == [(0, 20, "cut"), (50, 80, "wash")]


def test_a_senior_alone_decides_and_is_waited_for() -> None:
    policy = Policy(rule=Rule.SENIOR, seniors=("prof",))
    ada = _answer("ada", [("r0", 1, 3, "cut"), ("r1", 3, 5, "tie")])
    assert resolve(TASK, [ada], policy) is None
    prof = _answer("prof", AS_SHOWN)
    outcome = resolve(TASK, [ada, prof], policy)
    assert outcome is not None
    assert [annotation.who for annotation, _ in outcome] == ["prof"]
    marked = _answer("eve", AS_SHOWN, senior=True)
    outcome = resolve(TASK, [ada, marked], policy)
    assert outcome is not None
    assert outcome[0][0].who == "eve"


def test_equal_answers_need_no_adjudication_and_others_wait_for_it() -> None:
    policy = Policy(rule=Rule.ADJUDICATE, annotators=2)
    changed: Spans = [("r0", 1, 3, "cut"), ("r1", 3, 5, "tie")]
    ada, bob = _answer("ada", changed), _answer("bob", changed)
    outcome = resolve(TASK, [ada, bob], policy)
    assert outcome is not None
    assert len(outcome[0][1]) == 1
    assert resolve(TASK, [ada, _answer("eve", AS_SHOWN)], policy) is None


def test_no_answer_changes_nothing() -> None:
    assert resolve(TASK, [], Policy(rule=Rule.SENIOR)) == []


versions = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["r0", "r1", "x", "y"]), st.integers(1, 10), st.integers(0, 5),
            st.sampled_from(LABELS),
        ),
        max_size=4, unique_by=lambda row: row[0],
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(versions)
def test_however_often_an_answer_is_changed_its_last_version_is_what_stands(
    drawn: list[list[tuple[str, int, int, str]]],
) -> None:
    log: list[Correction] = []
    for number, rows in enumerate(drawn):
        spans: Spans = [(r, a, min(10, a + n), label) for r, a, n, label in rows]
        assume(len({span[1:] for span in spans}) == len(spans))
        annotation, now = _answer("ada", spans, f"2026-01-0{number + 1}T00:00:00Z")
        fresh = supersede(log, now, annotation)
        assert supersede([*log, *fresh], now, annotation) == []
        log += fresh
    wanted = merge_corrections(NATIVE, now).annotation
    found = merge_corrections(NATIVE, log).annotation
    assert sorted((s.start, s.end, s.label) for s in found.segments) == sorted(
        (s.start, s.end, s.label) for s in wanted.segments
    )


def test_the_page_form_and_ours_agree() -> None:
    annotation, corrections = _answer("ada", AS_SHOWN)
    assert corrections == ()
    assert [r["id"] for r in encode_results(TASK)] == [r["id"] for r in annotation.results]
    assert copy.deepcopy(annotation).version_id == annotation.version_id
