"""What the tasks about labels ask of clips small enough to answer by eye."""

from collections.abc import Callable, Iterable
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.tasks import get_task
from medvid.tasks.base import ClipContext
from medvid.tasks.modules.tal import merge_events
from schemas.annotation import FrameTriplet, VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.geometry import Triplet
from schemas.sample import Sample
from schemas.timeline import SegmentKind, TimeBase

VideoMaker = Callable[..., VideoAnnotation]
ClipMaker = Callable[..., Clip]
ContextMaker = Callable[..., ClipContext]
Ask = Callable[[str, ClipContext], list[Sample]]
CaptionMaker = Callable[..., Caption]


def test_tal_spans_are_first_and_last_sampled_frame(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    video = make_video([(0, 5, "cutting"), (5, 8, "tying"), (8, 12, "cutting"), (12, 13, "tying")])
    clip = make_clip(range(0, 14, 2))
    samples = ask("tal", make_context(video, clip))
    assert [(s.label, s.answer) for s in samples] == [
        ("cutting", "0.0-4.0, 8.0-10.0 seconds."),
        ("tying", "6.0-6.0, 12.0-12.0 seconds."),
    ]
    assert orjson.loads(samples[0].provenance)["records"] == ["segment:0@0", "segment:2@2"]
    assert orjson.loads(samples[0].subject) == {"action": "cutting"}


def test_tal_times_count_from_the_first_frame_not_from_the_clip(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    base = TimeBase(rate_num=90000, frame_rate_num=30)
    rows = [(900_000, 990_000, "cutting"), (990_000, 1_080_000, "tying")]
    clip = make_clip(
        [903_000, 951_000, 993_000, 1_041_000], start=900_000, end=1_080_000, rate_num=2
    )
    samples = ask("tal", make_context(make_video(rows, base=base), clip))
    assert [s.answer for s in samples] == ["0.0-0.5 seconds.", "1.0-1.5 seconds."]


def test_tal_segments_that_no_frame_parts_are_one_span(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    rows = [(0, 10, "cutting"), (10, 21, "cutting"), (22, 25, "cutting"), (24, 31, "cutting"),
            (36, 40, "cutting"), (40, 50, "tying")]  # fmt: skip
    context = make_context(make_video(rows), make_clip(range(0, 50, 5), rate_num=1, rate_den=5))
    assert [s.answer for s in ask("tal", context)] == [
        "0.0-30.0 seconds.", "40.0-45.0 seconds.",
    ]  # fmt: skip
    assert context.drops["segment_without_frame"] == 2


def test_tal_missing_frames_do_not_join_spans(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    rows = [(0, 10, "cutting"), (15, 20, "cutting")]
    context = make_context(make_video(rows), make_clip([*range(10), *range(15, 20)]))
    assert [s.answer for s in ask("tal", context)] == ["0.0-9.0, 15.0-19.0 seconds."]


def test_tal_whole_clip_is_no_question_unless_something_else_is_there(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    clip = make_clip(range(20))
    alone = make_context(make_video([(0, 12, "cutting"), (12, 20, "cutting")]), clip)
    assert ask("tal", alone) == []
    assert alone.drops == {"whole_clip": 1}
    both = make_context(make_video([(0, 20, "cutting"), (3, 5, "tying")]), clip)
    assert [s.answer for s in ask("tal", both)] == ["0.0-19.0 seconds.", "3.0-4.0 seconds."]
    gap = make_context(make_video([(0, 19, "cutting")]), clip)
    assert [s.answer for s in ask("tal", gap)] == ["0.0-18.0 seconds."]
    empty = make_context(make_video([(30, 40, "cutting")]), clip)
    assert ask("tal", empty) == []
    assert empty.drops == {"no_segments": 1}


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 20)).map(
            lambda row: (row[0], row[0] + row[1], "cutting")
        ),
        min_size=1, max_size=6,
    ),
    step=st.integers(1, 4),
)  # fmt: skip
def test_tal_spans_hold_just_the_frames_of_the_label(
    rows: list[tuple[int, int, str]],
    step: int,
    make_video: VideoMaker,
    make_clip: ClipMaker,
    make_context: ContextMaker,
    ask: Ask,
) -> None:
    clip = make_clip(range(0, 72, step), rate_num=1, rate_den=step)
    context = make_context(make_video(rows), clip)
    spans = merge_events(context, context.view.events)
    covered = {place for first, last in spans for place in range(first, last + 1)}
    expected = {
        place
        for place, tick in enumerate(clip.frame_tick)
        if any(start <= tick < end for start, end, _ in rows)
    }
    assert covered == expected
    assert all(a[1] + 1 < b[0] for a, b in pairwise(spans))


@pytest.mark.parametrize(
    ("rows", "answer", "drop"),
    [
        ([(0, 20, "cutting"), (20, 30, "tying")], "tying", None),
        ([(0, 20, "cutting"), (50, 60, "tying")], "tying", None),
        ([(0, 20, "cutting"), (51, 60, "tying")], None, "nothing_within_horizon"),
        ([(0, 20, "cutting")], None, "nothing_within_horizon"),
        ([(0, 20, "cutting"), (22, 30, "cutting")], None, "same_label"),
        ([(0, 20, "cutting"), (22, 30, "tying"), (22, 40, "suturing")], None, "ambiguous"),
        ([(0, 20, "cutting"), (22, 30, "tying"), (22, 40, "tying")], "tying", None),
        ([(0, 9, "tying"), (9, 20, "cutting"), (21, 30, "tying")], "tying", None),
        ([(0, 40, "cutting"), (19, 20, "tying"), (21, 30, "cutting")], "cutting", None),
        ([(21, 30, "cutting")], None, "no_segments"),
    ],
)
def test_next_action_rule(
    rows: list[tuple[int, int, str]],
    answer: str | None,
    drop: str | None,
    make_video: VideoMaker,
    make_clip: ClipMaker,
    make_context: ContextMaker,
    ask: Ask,
) -> None:
    context = make_context(make_video(rows), make_clip(range(20)))
    samples = ask("next_action", context)
    assert [s.answer for s in samples] == ([answer] if answer else [])
    assert dict(context.drops) == ({drop: 1} if drop else {})
    assert all(s.answer in s.candidates and s.subject == "{}" for s in samples)


def test_dense_one_event_a_line(
    make_video: VideoMaker,
    make_clip: ClipMaker,
    make_context: ContextMaker,
    ask: Ask,
    caption: CaptionMaker,
) -> None:
    video = make_video([(0, 10, "Clean wound"), (10, 20, "tying")])
    clip = make_clip(range(20))
    captions = [
        caption(clip, "event", 10, 20, "tying", text="A knot\n is tied:  firmly. "),
        caption(clip, "event", 0, 10, "Clean wound"),
    ]
    plain = make_context(video, clip, captions=captions)
    (sample,) = ask("dense_captioning", plain)
    assert sample.answer == (
        "0.0-9.0 seconds: The Clean wound is seen.\n10.0-19.0 seconds: A knot is tied: firmly."
    )
    assert sample.qa_type == "dense_captioning_label"
    assert len(orjson.loads(sample.provenance)["captions"]) == 2
    labelled = make_context(
        video, clip, captions=captions, labelled_events=True, candidate_style="text"
    )
    (sample,) = ask("dense_captioning", labelled)
    assert sample.answer.splitlines()[0] == (
        "0.0-9.0 seconds: clean wound: The Clean wound is seen."
    )
    assert "Clean wound" in sample.candidates


def test_dense_a_list_with_an_event_left_out_is_not_asked_for(
    make_video: VideoMaker,
    make_clip: ClipMaker,
    make_context: ContextMaker,
    ask: Ask,
    caption: CaptionMaker,
) -> None:
    video = make_video([(0, 10, "cutting"), (10, 20, "tying"), (20, 22, "tying")])
    clip = make_clip(range(0, 20, 5), end=22)
    captions = [
        caption(clip, "event", 0, 10, "cutting"),
        caption(clip, "event", 10, 20, "tying"),
        caption(clip, "event", 21, 22, "tying"),
        caption(clip, "event", 0, 10, "cutting", writer="gpt"),
    ]
    context = make_context(video, clip, captions=captions)
    assert [s.qa_type for s in ask("dense_captioning", context)] == ["dense_captioning_label"]
    assert context.drops == {"event_without_caption": 1, "caption_without_frame": 1}
    bare = make_context(video, clip)
    assert ask("dense_captioning", bare) == []
    assert bare.drops == {"no_caption": 1}


def test_summary_one_sample_a_writer(
    make_video: VideoMaker,
    make_clip: ClipMaker,
    make_context: ContextMaker,
    ask: Ask,
    caption: CaptionMaker,
) -> None:
    clip = make_clip(range(20))
    captions = [
        caption(clip, "summary", 0, 20, text="First.\n\nThen."),
        caption(clip, "summary", 0, 20, writer="gpt"),
    ]
    context = make_context(make_video(), clip, captions=captions)
    samples = ask("video_summary", context)
    assert [(s.qa_type, s.answer, s.candidates) for s in samples] == [
        ("video_summary_label", "First. Then.", ()),
        ("video_summary_gpt", "The scene is seen.", ()),
    ]
    bare = make_context(make_video(), clip)
    assert ask("video_summary", bare) == []
    assert bare.drops == {"no_caption": 1}


@pytest.mark.parametrize("style", ["list", "text"])
def test_asked_label_is_always_listed_and_anywhere(
    style: str, make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    """Over many clips every place in the list holds the answer about as often as any other."""
    places = [0] * 4
    for shift in range(400):
        rows = [(shift, shift + 8, "tying"), (shift + 8, shift + 20, "{candidates} cutting")]
        context = make_context(
            make_video(rows), make_clip(range(shift, shift + 20)), candidate_style=style
        )
        for sample in ask("tal", context):
            assert sample.label in sample.candidates
            if sample.label == "tying":
                assert len(sample.candidates) == 4
                places[sample.candidates.index("tying")] += 1
            else:
                assert sorted(sample.candidates)[-1] == "{candidates} cutting"
    assert sum(places) == 400
    assert all(60 <= count <= 140 for count in places)


def test_video_without_label_kind_asks_nothing_about_labels(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    video = make_video([(0, 20, "grasper")], kind=SegmentKind.PRESENCE)
    for task in ("tal", "next_action"):
        context = make_context(video, make_clip(range(20)), label_kind=None)
        assert ask(task, context) == []
        assert context.drops == {"no_segments": 1}


def test_hostile_procedure_and_label_are_text(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    kinds: Iterable[str] = ("{0.__class__}", "{label}", "%s", "é\u202e")
    for name in kinds:
        video = make_video([(0, 8, name), (8, 20, "tying")], procedure="{candidates}{x}")
        samples = ask("tal", make_context(video, make_clip(range(20))))
        assert name in samples[0].question
        if "It shows" in samples[0].question:
            assert "{candidates}{x}" in samples[0].question


def test_next_action_is_not_told_across_time_nobody_vouches_for(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    rows = [(0, 20, "cutting"), (30, 40, "tying")]
    inside = make_context(make_video(rows, excluded=[(22, 25)]), make_clip(range(20)))
    assert ask("next_action", inside) == []
    assert dict(inside.drops) == {"unknown_between": 1}
    after = make_context(make_video(rows, excluded=[(30, 35)]), make_clip(range(20)))
    assert [s.answer for s in ask("next_action", after)] == ["tying"]


def test_triplets_are_asked_about_only_by_setting(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    def at(tick: int, verb: str = "dissect", target: str = "gallbladder") -> FrameTriplet:
        triplet = Triplet(instrument="hook", verb=verb, target=target)
        return FrameTriplet(tick=tick, triplet=triplet)

    triplets = (at(2), at(3), at(3), at(5), at(7, "null_verb", "null_target"), at(40))
    video = make_video([(0, 10, "cutting"), (12, 20, "tying")], triplets=triplets)
    plain = ask("tal", make_context(video, make_clip(range(20))))
    assert all("triplet" not in sample.subject for sample in plain)
    asked = make_context(video, make_clip(range(20)), settings={"triplet_questions": True})
    found = [sample for sample in ask("tal", asked) if "triplet" in sample.subject]
    assert [(s.label, s.answer) for s in found] == [
        ("hook,dissect,gallbladder", "2.0-3.0, 5.0-5.0 seconds.")
    ]
    assert all(word in found[0].question for word in ("hook", "dissect", "gallbladder"))
    assert get_task("tal").parse_(found[0].answer) == found[0].target_value()
