"""What the tasks about boxes ask of clips small enough to answer by eye."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.tasks.base import ClipContext
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.geometry import Box
from schemas.sample import Sample
from schemas.timeline import TimeBase

VideoMaker = Callable[..., VideoAnnotation]
ClipMaker = Callable[..., Clip]
ContextMaker = Callable[..., ClipContext]
Ask = Callable[[str, ClipContext], list[Sample]]
CaptionMaker = Callable[..., Caption]


def box(tick: int, label: str = "grasper", track: str | None = None, x: float = 10.0) -> Box:
    return Box(tick=tick, xyxy=(x, 20.0, x + 30.25, 60.5), label=label, track=track)


def test_region_box_is_drawn_not_written(
    make_video: VideoMaker,
    make_clip: ClipMaker,
    make_context: ContextMaker,
    ask: Ask,
    caption: CaptionMaker,
) -> None:
    boxes = [box(4, track="a:7"), box(4, track="b", x=300.0), box(9, track="a:7")]
    clip = make_clip(range(20), frame_index=tuple(range(100, 120)))
    captions = [caption(clip, "region", 4, 13, "grasper", subject="a:7:4:13")]
    context = make_context(make_video(boxes=boxes), clip, captions=captions)
    (sample,) = ask("region_caption", context)
    assert (sample.region_frame, sample.region_xyxy) == (104, (10.0, 20.0, 40.25, 60.5))
    assert "40.25" not in sample.question + sample.answer
    assert "4.0" in sample.question
    assert "12.0" in sample.question
    assert orjson.loads(sample.subject) == {
        "object": "grasper", "track": "a:7", "start": 4.0, "end": 12.0,
    }  # fmt: skip
    whole = make_context(make_video(boxes=boxes), clip, captions=captions, integer_times=True)
    (sample,) = ask("region_caption", whole)
    assert "4.0" not in sample.question


def test_region_drops_are_counted(
    make_video: VideoMaker,
    make_clip: ClipMaker,
    make_context: ContextMaker,
    ask: Ask,
    caption: CaptionMaker,
) -> None:
    clip = make_clip(range(0, 40, 2))
    boxes = [box(4), box(4, x=300.0), box(10, label="hook")]
    captions = [
        caption(clip, "region", 4, 13, "grasper", subject="grasper:4:13"),
        caption(clip, "region", 6, 13, "grasper", subject="grasper:6:13"),
        caption(clip, "region", 10, 12, "hook", subject="hook:10:12"),
        caption(clip, "region", 10, 20, "clipper", subject="clipper:10:20"),
        caption(clip, "region", 10, 20, "hook", subject="hook:10:20"),
    ]
    context = make_context(make_video(boxes=boxes), clip, captions=captions)
    (sample,) = ask("region_caption", context)
    assert sample.label == "hook"
    assert +context.drops == {"ambiguous": 1, "no_box": 2, "single_frame": 1}


def test_region_cap_counts_and_chooses_alike_for_every_writer(
    make_video: VideoMaker,
    make_clip: ClipMaker,
    make_context: ContextMaker,
    ask: Ask,
    caption: CaptionMaker,
) -> None:
    clip = make_clip(range(40))
    captions = [
        caption(clip, "region", t, t + 6, "hook", subject=f"hook:{t}:{t + 6}", writer=writer)
        for writer in ("label", "gpt")
        for t in range(0, 30, 3)
    ]
    boxes = [box(t, label="hook") for t in range(40)]
    context = make_context(
        make_video(boxes=boxes), clip, captions=captions, settings={"max_regions_per_clip": 4}
    )
    samples = ask("region_caption", context)
    by_writer = {
        writer: {s.subject for s in samples if s.qa_type.endswith(writer)}
        for writer in ("label", "gpt")
    }
    assert by_writer["label"] == by_writer["gpt"]
    assert len(by_writer["gpt"]) == 4
    assert context.drops["over_cap"] == 12


def stg_rows(
    ask: Ask, context: ClipContext
) -> list[tuple[dict[str, Any], list[dict[str, Any]], Sample]]:
    return [(orjson.loads(s.subject), s.target_value(), s) for s in ask("stg", context)]


def test_stg_requested_times_are_sampled_frames_with_a_box(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    boxes = [box(t, track="1", x=float(t)) for t in range(100, 160) if t % 10 != 9]
    clip = make_clip(range(100, 160), start=100, end=160)
    rows = stg_rows(ask, make_context(make_video(boxes=boxes), clip))
    assert rows
    seen = {b.tick: b for b in boxes}
    for subject, target, sample in rows:
        assert subject["stride"] == 4.0
        times = [item["time"] for item in target]
        assert times[0] == subject["start"]
        assert times[-1] == subject["end"]
        assert [b - a for a, b in pairwise(times)] == [4.0] * (len(times) - 1)
        assert 2 <= len(times) <= 8
        for item in target:
            assert tuple(item["xyxy"]) == seen[100 + int(item["time"])].xyxy
        assert f"{subject['start']}" in sample.question
        assert " 4 seconds" in sample.question
        assert sample.label == "grasper"
        assert sample.candidates == ()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_stg_never_two_objects_of_one_name(
    data: st.DataObject,
    make_video: VideoMaker,
    make_clip: ClipMaker,
    make_context: ContextMaker,
    ask: Ask,
) -> None:
    ticks = data.draw(st.sets(st.integers(0, 60), min_size=2))
    boxes = [
        box(tick, label=label, track=track, x=float(place * 40))
        for tick in sorted(ticks)
        for label in ("grasper", "hook")
        for place, track in enumerate(data.draw(st.sampled_from(
            [(), ("a",), ("b",), ("a", "b"), (None,), (None, None)])))
    ]  # fmt: skip
    rate = data.draw(st.sampled_from([Fraction(1), Fraction(1, 2)]))
    frames = sorted(data.draw(st.sets(st.integers(0, 60), min_size=2)))
    clip = make_clip(frames, rate_num=rate.numerator, rate_den=rate.denominator)
    context = make_context(make_video(boxes=boxes), clip)
    for subject, target, sample in stg_rows(ask, context):
        for item in target:
            tick = frames[0] + int(item["time"])
            assert tick in frames
            named = [b for b in boxes if b.tick == tick and b.label == sample.label]
            assert len(named) == 1
            assert (named[0].track or "") == subject["track"]
            assert list(named[0].xyxy) == item["xyxy"]


def test_stg_two_of_a_name_are_counted_not_asked_about(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    clip = make_clip(range(10))
    boxes = [b for t in range(10) for b in (box(t, track="1"), box(t, track="2", x=200.0))]
    context = make_context(make_video(boxes=boxes), clip)
    assert ask("stg", context) == []
    assert context.drops == {"ambiguous": 6, "no_window": 1}
    handed = [box(t, track="1" if t < 4 else "2") for t in range(8)]
    context = make_context(make_video(boxes=handed), clip)
    assert ask("stg", context) == []
    assert context.drops == {"track_changes": 4, "no_window": 1}


def test_stg_second_object_anywhere_in_the_window_is_a_doubt(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    clip = make_clip(range(6))
    for crowded in (0, 4):
        boxes = [box(0, track="1"), box(4, track="1"), box(crowded, track="2", x=200.0)]
        context = make_context(make_video(boxes=boxes), clip)
        assert ask("stg", context) == []
        assert context.drops == {"ambiguous": 1, "no_window": 1}


def test_stg_cap_spreads_over_objects(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    clip = make_clip(range(180))
    boxes = [box(t, label=f"tool{n}") for t in range(180) for n in range(5)]
    context = make_context(make_video(boxes=boxes), clip, settings={"max_grounding_per_clip": 7})
    samples = ask("stg", context)
    assert len(samples) == 7
    assert {s.label for s in samples} == {f"tool{n}" for n in range(5)}
    few = make_context(make_video(boxes=boxes), clip, settings={"max_grounding_per_clip": 3})
    assert len(ask("stg", few)) == 3
    assert few.drops["object_over_cap"] == 2
    for sample in samples:
        for other in samples:
            if sample is not other and sample.label == other.label:
                a, b = orjson.loads(sample.subject), orjson.loads(other.subject)
                assert a["end"] < b["start"] or b["end"] < a["start"]


def test_stg_jittered_frames_count_by_the_tenth(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    base = TimeBase(rate_num=90000, frame_rate_num=30000, frame_rate_den=1001)
    ticks = [round(round(t * 30000 / 1001) * 3003) for t in range(40)]
    context = make_context(make_video(boxes=[box(t) for t in ticks], base=base), make_clip(ticks))
    rows = stg_rows(ask, context)
    assert rows
    assert all(item["time"] % 1 == 0 for _, target, _ in rows for item in target)


def test_stg_strides_and_sizes_that_text_cannot_carry(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    video = make_video(boxes=[box(t) for t in range(40)])
    odd = make_context(video, make_clip(range(40), rate_num=3))
    assert ask("stg", odd) == []
    assert odd.drops == {"stride_not_tenths": 1}
    tiny = [Box(tick=t, xyxy=(1.001, 1.0, 1.002, 5.0), label="hook") for t in (0, 4)]
    context = make_context(make_video(boxes=tiny), make_clip(range(8)))
    assert ask("stg", context) == []
    assert +context.drops == {"box_below_resolution": 1}


def test_stg_whole_seconds_where_the_source_prints_them(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    video = make_video(boxes=[box(t) for t in (3, 7)])
    context = make_context(video, make_clip(range(9)), integer_times=True)
    (sample,) = ask("stg", context)
    assert sample.answer == (
        "3.0 seconds: [10.0, 20.0, 40.25, 60.5] 7.0 seconds: [10.0, 20.0, 40.25, 60.5]"
    )
    assert "3.0" not in sample.question
    assert " 3 " in sample.question
