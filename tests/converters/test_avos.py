"""AVOS: how votes become segments, and what is said about rows that cannot be used."""

import csv
import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.base import Converter
from converters.datasets.avos import CONVERTER, STAND_IN_WH
from converters.issue_log import IssueLog
from converters.open_surgery import ABSTAIN, FRAME_HZ, TICK_HZ
from converters.open_surgery_tree import SEGMENT_TABLE, WINDOW_TABLE
from converters.vote_segments import list_unknown_time, unite_stretches
from converters.vote_tables import UNREADABLE, Stretch, parse_table, parse_tick, vote
from medvid.tasks import nominal_frames, plan_clips
from medvid.tasks.clips import ClipSettings
from schemas.annotation import Disposition, VideoAnnotation
from schemas.errors import MalformedSourceError
from schemas.source import TaskName
from schemas.timeline import TimeBase

ID, OTHER = "-bC_eFgH-jK", "ZbCdEfGhIjK"
SEGMENT_HEADER = ",video_id,labeler_2,labeler_1,duration,labeler_3,label,start_seconds,end_seconds"
WINDOW_HEADER = (
    ",Unnamed: 0,video_id,labeler_2,labeler_1,start_seconds,end_seconds,duration,start_frame,"
    "end_frame,labeler_3"
)
Votes = tuple[str, str, str]
Row = tuple[str, float | str, float | str, Votes]


def agreed(label: str) -> Votes:
    """Votes of labelers 1, 2 and 3 where the first two agree."""
    return (label, label, "")


def row(label: str, start: float | str, end: float | str, votes: Votes | None = None) -> Row:
    return (label, start, end, votes if votes is not None else agreed(label))


def segment_text(rows: Sequence[Row], video_id: str = ID, first: int = 0) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for number, (label, start, end, votes) in enumerate(rows, start=first):
        writer.writerow([number, video_id, votes[1], votes[0], 0.0, votes[2], label, start, end])
    return out.getvalue()


def window_text(rows: Sequence[Row], video_id: str = ID) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for number, (_, start, end, votes) in enumerate(rows):
        frames = [int(float(value) * FRAME_HZ) for value in (start, end)]
        writer.writerow(
            [number, number, video_id, votes[1], votes[0], start, end, 5, *frames, votes[2]]
        )
    return out.getvalue()


def write_tables(root: Path, segments: str = "", windows: str = "") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    if segments:
        (root / SEGMENT_TABLE).write_text(f"{SEGMENT_HEADER}\n{segments}", encoding="utf-8")
    if windows:
        (root / WINDOW_TABLE).write_text(f"{WINDOW_HEADER}\n{windows}", encoding="utf-8")
    return root


def convert_rows(root: Path, rows: Sequence[Row], windows: Sequence[Row] = ()) -> VideoAnnotation:
    write_tables(root, segment_text(rows), window_text(windows))
    (recording,) = CONVERTER.discover(root)
    return CONVERTER.convert(recording)


def spans(annotation: VideoAnnotation) -> list[tuple[str, float, float]]:
    return [(s.label, s.start / TICK_HZ, s.end / TICK_HZ) for s in annotation.segments]


def excluded(annotation: VideoAnnotation) -> list[tuple[str, float, float]]:
    return [(e.reason, e.start / TICK_HZ, e.end / TICK_HZ) for e in annotation.excluded]


def reasons(annotation: VideoAnnotation) -> list[str]:
    return [issue.reason for issue in annotation.issues if issue.reason != "no_duration"]


def test_actions_become_segments_and_background_does_not(tmp_path: Path) -> None:
    rows = [row("background", 0.0, 30.0), row("cutting", 30.0, 61.0), row("tying", 61.0, 70.0)]
    annotation = convert_rows(tmp_path, rows)
    assert spans(annotation) == [("cutting", 30, 61), ("tying", 61, 70)]
    assert [s.native_index for s in annotation.segments] == [1, 2]
    assert all(s.flags == () for s in annotation.segments)
    assert annotation.excluded == ()
    assert annotation.records_in == {"background": 1, "segment": 2, "video": 1}
    assert reasons(annotation) == []
    video = annotation.video
    assert (video.identity, video.links) == (f"youtube:{ID}", {"youtube": ID})
    assert video.resolution_wh == STAND_IN_WH
    assert annotation.candidates == {"action": ("cutting", "tying", "suturing")}


def test_frames_at_fifteen_a_second_and_common_videos_fall_on_whole_ticks(tmp_path: Path) -> None:
    base = convert_rows(tmp_path, [row("cutting", 1505.0, 1525.0)]).video.time_base
    assert base.tick_of_index(22_575) == 1505 * base.rate_num
    assert [base.tick_of_index(n) for n in (0, 1, 2)] == [0, 6000, 12_000]
    for rate_num, rate_den in ((25, 1), (30_000, 1001), (30, 1), (15, 1)):
        whole = TimeBase(rate_num=TICK_HZ, frame_rate_num=rate_num, frame_rate_den=rate_den)
        assert (whole.tick_rate / whole.frame_rate).denominator == 1


@pytest.mark.parametrize(
    ("votes", "label", "flags"),
    [
        (("cutting", "cutting", ""), "cutting", ()),
        (("background", "cutting", "cutting"), "cutting", ("adjudicated",)),
        (("background", "cutting", "tying"), "tying", ("adjudicated",)),
        (("suturing", "tying", ""), "tying", ("labelers_disagree",)),
        (("suturing", "", ""), "suturing", ("one_labeler",)),
        (("cutting", "none", ""), "background", None),
        (("", "", ""), "background", None),
        (("background", "cutting", "abstain"), "abstain", None),
    ],
)
def test_votes_come_to_a_label_and_leave_a_doubt(
    tmp_path: Path, votes: Votes, label: str, flags: tuple[str, ...] | None
) -> None:
    assert vote(*votes) == label
    annotation = convert_rows(tmp_path, [row(label, 0, 20, votes), row("cutting", 20, 30)])
    first = annotation.segments[0]
    if flags is None or label == "cutting":
        assert "label_not_voted" not in reasons(annotation)
    else:
        assert (first.label, first.flags) == (label, flags)


def test_a_label_that_was_not_voted_is_used_and_flagged(tmp_path: Path) -> None:
    annotation = convert_rows(tmp_path, [row("tying", 0, 20, agreed("suturing"))])
    assert spans(annotation) == [("tying", 0, 20)]
    assert reasons(annotation) == ["label_not_voted"]


def test_an_early_start_is_set_to_zero_and_joined_to_the_row_beside_it(tmp_path: Path) -> None:
    votes = agreed("tying")
    rows = [row("tying", -2.0, 3.0), row("tying", 2.0, 7.0, ("", "tying", "tying"))]
    annotation = convert_rows(tmp_path, rows, [row("", -2.0, 3.0, votes)])
    assert spans(annotation) == [("tying", 0, 7)]
    assert annotation.segments[0].flags == ("adjudicated",)
    assert reasons(annotation) == ["negative_start", "rows_united", "negative_start"]
    assert {issue.disposition for issue in annotation.issues[1:]} == {Disposition.REPAIRED}


def test_rows_of_one_action_that_overlap_are_one_segment(tmp_path: Path) -> None:
    rows = [row("cutting", 4, 178), row("cutting", 177, 180), row("cutting", 178, 185),
            row("background", 185, 190), row("cutting", 190, 195)]  # fmt: skip
    annotation = convert_rows(tmp_path, rows)
    assert spans(annotation) == [("cutting", 4, 185), ("cutting", 190, 195)]
    (issue,) = [i for i in annotation.issues if i.reason == "rows_united"]
    assert issue.detail.endswith("0; 1; 2.")


def test_no_clip_touches_time_on_which_labelers_abstain(tmp_path: Path) -> None:
    rows = [row("cutting", 0, 40), row("abstain", 40, 50), row("tying", 50, 90)]
    annotation = convert_rows(tmp_path, rows)
    assert excluded(annotation) == [("abstained", 40, 50)]
    assert annotation.records_in["segment"] == 3
    (issue,) = [i for i in annotation.issues if i.reason == "abstained"]
    assert (issue.kind, issue.disposition) == ("segment", Disposition.DROPPED)
    plan = plan_clips(annotation, CONVERTER.spec, nominal_frames(annotation), ClipSettings())
    assert len(plan.clips) == 2
    assert all(c.end <= 40 * TICK_HZ or c.start >= 50 * TICK_HZ for c in plan.clips)


def test_time_without_a_row_or_with_two_labels_is_unknown(tmp_path: Path) -> None:
    rows = [row("cutting", 10, 30), row("tying", 28, 40), row("suturing", 45, 60)]
    annotation = convert_rows(tmp_path, rows)
    assert excluded(annotation) == [("contested", 28, 30), ("unlabelled", 40, 45)]
    assert reasons(annotation) == ["contested_time", "unlabelled_time"]
    assert spans(annotation) == [("cutting", 10, 30), ("tying", 28, 40), ("suturing", 45, 60)]


@pytest.mark.parametrize(
    ("faulty", "reason", "kept_out"),
    [
        (row("clamping", 30, 40), "unknown_label", [(UNREADABLE, 30, 40)]),
        (row("Cutting ", 30, 40), "unknown_label", [(UNREADABLE, 30, 40)]),
        (row("tying", "30s", 40), "malformed_times", [("unlabelled", 30, 40)]),
        (row("tying", 30, "nan"), "malformed_times", [("unlabelled", 30, 40)]),
        (row("tying", "1e1", 40), "malformed_times", [("unlabelled", 30, 40)]),
        (row("tying", 35, 35), "zero_length", [("unlabelled", 30, 40)]),
        (row("tying", 40, 30), "reversed_times", [("unlabelled", 30, 40)]),
        (row("tying", -9, -2), "no_time", [("unlabelled", 30, 40)]),
    ],
)
def test_an_unusable_row_is_dropped_and_its_time_left_alone(
    tmp_path: Path, faulty: Row, reason: str, kept_out: list[tuple[str, float, float]]
) -> None:
    rows = [row("cutting", 0, 30), faulty, row("suturing", 40, 60)]
    annotation = convert_rows(tmp_path, rows)
    assert spans(annotation) == [("cutting", 0, 30), ("suturing", 40, 60)]
    (issue,) = [i for i in annotation.issues if i.disposition is Disposition.DROPPED]
    assert (issue.reason, issue.field, issue.file) == (reason, "row[1]", SEGMENT_TABLE)
    assert excluded(annotation) == kept_out


def test_a_row_given_twice_counts_once(tmp_path: Path) -> None:
    annotation = convert_rows(tmp_path, [row("cutting", 0, 30), row("cutting", 0, 30)])
    assert spans(annotation) == [("cutting", 0, 30)]
    assert reasons(annotation) == ["duplicate_row"]
    assert annotation.records_in["segment"] == 2


def test_windows_are_evidence_beside_the_table(tmp_path: Path) -> None:
    rows = [row("cutting", 0, 20), row("tying", 20, 40), row("cutting", 40, 60)]
    windows = [row("", 0, 5, agreed("cutting")), row("", 0, 5, agreed("cutting")),
               row("", 18, 23, agreed("tying")), row("", 30, 35, agreed("tying")),
               row("", 35, 40, agreed("tying")), row("", 40, 45, agreed("cutting"))]  # fmt: skip
    annotation = convert_rows(tmp_path, rows, windows)
    assert spans(annotation) == [("cutting", 0, 20), ("tying", 20, 40), ("cutting", 40, 60)]
    assert [s.flags for s in annotation.segments] == [("windows_disagree",), (), ()]
    assert reasons(annotation) == ["windows_disagree", "duplicate_row"]
    assert annotation.records_in["window"] == 6


def test_windows_stand_in_for_a_video_that_the_table_lacks(tmp_path: Path) -> None:
    windows = [row("", 0, 5, agreed("cutting")), row("", 7, 12, ("", "cutting", "")),
               row("", 14, 19, agreed("tying")), row("", 22, 27, agreed("tying")),
               row("", 27, 32, ("tying", "none", ""))]  # fmt: skip
    write_tables(tmp_path, segment_text([row("cutting", 0, 30)], OTHER), window_text(windows))
    mine, other = (CONVERTER.convert(r) for r in CONVERTER.discover(tmp_path))
    assert spans(other) == [("cutting", 0, 30)]
    assert reasons(other) == []
    assert spans(mine) == [("cutting", 0, 14), ("tying", 14, 19), ("tying", 22, 27)]
    assert all("rebuilt_from_windows" in s.flags for s in mine.segments)
    assert excluded(mine) == [("unlabelled", 19, 22)]
    assert sorted(reasons(mine)) == ["rebuilt_from_windows", "unlabelled_time"]


def test_windows_alone_make_a_tree(tmp_path: Path) -> None:
    write_tables(tmp_path, windows=window_text([row("", 0, 5, agreed("suturing"))]))
    (recording,) = CONVERTER.discover(tmp_path)
    annotation = CONVERTER.convert(recording)
    assert spans(annotation) == [("suturing", 0, 5)]
    assert {issue.file for issue in annotation.issues} == {WINDOW_TABLE}


def test_frames_that_are_not_fifteen_times_the_seconds_are_flagged(tmp_path: Path) -> None:
    text = window_text([row("", 0, 5, agreed("cutting"))]).replace(",75,", ",150,")
    write_tables(tmp_path, segment_text([row("cutting", 0, 5)]), text)
    (recording,) = CONVERTER.discover(tmp_path)
    assert "frame_mismatch" in reasons(CONVERTER.convert(recording))


def test_a_table_survives_bom_windows_line_ends_and_short_rows(tmp_path: Path) -> None:
    text = f"{SEGMENT_HEADER}\n{segment_text([row('cutting', 0, 30)])}\n7,{ID},cutting\n"
    tmp_path.joinpath(SEGMENT_TABLE).write_bytes(
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    )
    (recording,) = CONVERTER.discover(tmp_path)
    annotation = CONVERTER.convert(recording)
    assert spans(annotation) == [("cutting", 0, 30)]
    assert reasons(annotation) == ["malformed_times"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "lacks columns"),
        (b"video_id,label\nx,y\n", "labeler_1; labeler_2"),
        (f"{SEGMENT_HEADER}\n0,{ID},\xe9".encode("latin-1"), "cannot be read as a table"),
        (f"{SEGMENT_HEADER}\n0,{ID},{'x' * 200_000},a,0,,cutting,0,9\n".encode(), "as a table"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_name(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / SEGMENT_TABLE).write_bytes(content)
    with pytest.raises(MalformedSourceError, match=problem) as caught:
        CONVERTER.discover(tmp_path)
    assert caught.value.source == SEGMENT_TABLE
    assert str(tmp_path) not in str(caught.value)


def test_one_changed_row_leaves_other_videos_alone(tmp_path: Path) -> None:
    for name, end in (("before", 30), ("after", 31)):
        text = segment_text([row("cutting", 0, end)]) + segment_text(
            [row("tying", 0, 9)], OTHER, first=1
        )
        write_tables(tmp_path / name, text)
    before, after = (CONVERTER.discover(tmp_path / name) for name in ("before", "after"))
    changed = [a.record != b.record for a, b in zip(before, after, strict=True)]
    assert changed == [True, False]
    assert [CONVERTER.convert(r).revision for r in before][1] == CONVERTER.convert(
        after[1]
    ).revision


def test_published_tasks_are_on_and_summaries_on_demand() -> None:
    converter: Converter = CONVERTER
    assert set(converter.spec.tasks) == {
        TaskName.TAL, TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING,
    }  # fmt: skip
    assert converter.spec.extra_tasks == (TaskName.VIDEO_SUMMARY,)
    assert converter.spec.labelled_events


@given(tenths=st.integers(-1000, 864_000))
@settings(max_examples=200, deadline=None)
def test_tenths_of_a_second_are_exact(tenths: int) -> None:
    assert parse_tick(repr(tenths / 10)) == tenths * TICK_HZ // 10


@st.composite
def _stretches(draw: st.DrawFn) -> list[Stretch]:
    labels = st.sampled_from(["cutting", "tying", "background", ABSTAIN, UNREADABLE])
    found = []
    for number in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, 30))
        end = start + draw(st.integers(1, 10))
        found.append(Stretch(start, end, draw(labels), number))
    return sorted(found, key=lambda s: (s.start, s.end, s.row or 0))


@given(stretches=_stretches())
@settings(max_examples=300, deadline=None)
def test_every_tick_is_known_or_unknown_for_the_right_reason(stretches: list[Stretch]) -> None:
    unknown = list_unknown_time(stretches)
    assert all(a.end <= b.start for a, b in pairwise(unknown))
    first = min((s.start for s in stretches), default=0)
    last = max((s.end for s in stretches), default=0)
    for tick in range(45):
        labels = {s.label for s in stretches if s.start <= tick < s.end}
        said = [e.reason for e in unknown if e.start <= tick < e.end]
        if not first <= tick < last:
            expected = []
        elif ABSTAIN in labels:
            expected = ["abstained"]
        elif UNREADABLE in labels:
            expected = [UNREADABLE]
        else:
            expected = {0: ["unlabelled"], 1: []}.get(len(labels), ["contested"])
        assert said == expected


@given(stretches=_stretches())
@settings(max_examples=300, deadline=None)
def test_segments_cover_an_action_exactly_and_never_touch_their_own_kind(
    stretches: list[Stretch],
) -> None:
    segments = unite_stretches(IssueLog("avos", SEGMENT_TABLE), stretches)
    for label in ("cutting", "tying", "suturing"):
        own = [s for s in segments if s.label == label]
        assert all(a.end < b.start for a, b in pairwise(own))
        covered = {tick for s in own for tick in range(s.start, s.end)}
        assert covered == {
            tick for s in stretches if s.label == label for tick in range(s.start, s.end)
        }


def test_tables_are_read_from_an_open_handle() -> None:
    text = "video_id,a\nx,1\n\ny,2,extra\n"
    assert [*parse_table(io.StringIO(text), {"a"}, source="t.csv")] == [
        ("x", {"video_id": "x", "a": "1"}), ("y", {"video_id": "y", "a": "2"}),
    ]  # fmt: skip
