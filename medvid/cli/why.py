"""`medvid why`: the history of a pair, a video or a native segment."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from medvid.cli.output import console, counted, print_json
from medvid.releases.why import SampleHistory, explain_sample
from medvid.releases.why_native import NativeTrace, RecordTrace
from medvid.releases.why_release import open_release
from medvid.releases.why_split import SplitTrace
from medvid.releases.why_video import (
    QuarantineTrace,
    SegmentHistory,
    VideoHistory,
    explain_segment,
    explain_video,
)

SHOWN = 12
History = SampleHistory | VideoHistory | SegmentHistory
Lines = list[tuple[str, str]]


def why(
    release: Annotated[Path, typer.Argument(help="Folder of the release.")],
    what: Annotated[
        str,
        typer.Argument(
            help="A sample id or how one begins, SOURCE/VIDEO_ID, or SOURCE/VIDEO_ID/segment:N."
        ),
    ],
    workspace: Annotated[
        Path | None,
        typer.Option(help="Workspace of its build [default: the one its run.json names]."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Tell where a pair comes from and why it is where it is, or why a video gave no more.

    From native record over clip, question, split and selection to shard and byte. Native records,
    fates and counts by video are told where the workspace of the build is at hand.
    """
    opened = open_release(release, workspace)
    source, _, rest = what.strip("/").partition("/")
    video_id, _, record = rest.partition("/")
    history: History
    if not rest:
        history = explain_sample(opened, what)
    elif record:
        history = explain_segment(opened, source, video_id, record)
    else:
        history = explain_video(opened, source, video_id)
    if as_json:
        print_json(orjson.loads(history.model_dump_json()))
        return
    for name, value in _lines(history):
        console.print(f"{name:<12} {value}", markup=False, soft_wrap=True)


def _lines(history: History) -> Lines:
    if isinstance(history, SampleHistory):
        return _sample_lines(history)
    if isinstance(history, VideoHistory):
        return _video_lines(history)
    return _segment_lines(history)


def _sample_lines(history: SampleHistory) -> Lines:
    video = history.video
    head = f"{history.task} ({history.qa_type})"
    if history.kind == "left_out":
        head += ", in no split of the release"
    lines = [("sample", f"{history.sample_id}  {head}")]
    lines += _native_lines(history.native, history.records, history.revision)
    log = history.corrections_head
    lines.append(("", f"correction log at {log}" if log else "no correction log"))
    native_split = ", ".join(f"{name}: {part}" for name, part in video.native_split.items())
    lines += [
        ("video", f"{video.source}/{video.video_id} of {video.identity}, "
                  f"{video.resolution_wh[0]}x{video.resolution_wh[1]}, licence {video.licence}"),
        ("", f"official split {native_split or 'none'}"),
    ]  # fmt: skip
    lines += _split_lines(history.split)
    clip = history.clip
    if history.question is None:
        lines.append(("clip", clip.clip_id))
    else:
        lines.append((
            "clip", f"{clip.clip_id}  {clip.start_s:.2f}-{clip.end_s:.2f} s, "
            f"{counted(clip.frames, 'frame')} at {clip.rate} fps, "
            f"native {clip.first_frame} to {clip.last_frame}",
        ))  # fmt: skip
    lines += _record_lines("", clip.segments)
    lines += _question_lines(history)
    lines += _selection_lines(history)
    for place in history.places:
        size = counted(place.size, "byte")
        lines.append(("shard", f"{place.shard}, {size} at byte {place.offset:,}"))
    return lines


def _native_lines(
    native: NativeTrace, records: tuple[RecordTrace, ...], revision: str = ""
) -> Lines:
    told = ", ".join(native.files[:SHOWN]) or "the source's shared file"
    if not native.workspace:
        told = "its records lie in the workspace of the build, which is not at hand"
    elif not native.known:
        told = "its labels could not be read"
    lines = [("native", told)]
    lines += _record_lines("record", records)
    for place, issue in enumerate(native.issues[:SHOWN]):
        lines.append(("fault" if not place else "", issue))
    if len(native.issues) > SHOWN:
        lines.append(
            ("", f"and {counted(len(native.issues) - SHOWN, 'more fault')}; --json has all")
        )
    if revision:
        lines.append(("revision", revision))
    for place, correction in enumerate(native.corrections[:SHOWN]):
        lines.append(("corrected" if not place else "", correction))
    return lines


def _record_lines(name: str, records: tuple[RecordTrace, ...]) -> Lines:
    lines = []
    for place, record in enumerate(records[:SHOWN]):
        parts = [f"{record.record:<12}", record.text]
        if record.start_s is not None and record.end_s is not None:
            same = record.start_s == record.end_s
            span = f"{record.start_s:.2f}" if same else f"{record.start_s:.2f}-{record.end_s:.2f}"
            parts.append(f"{span} s")
        if record.native_index is not None:
            parts.append(f"native record {record.native_index}")
        parts += [*record.flags, *([record.fate] if record.fate else [])]
        lines.append((name if not place else "", "  ".join(part for part in parts if part)))
    if len(records) > SHOWN:
        lines.append(("", f"and {len(records) - SHOWN} more; --json has all"))
    return lines


def _split_lines(split: SplitTrace | None) -> Lines:
    if split is None:
        return []
    lines = [("split", f"{split.split}: {split.reason}")]
    lines += [("", join) for join in split.joined[:SHOWN]]
    if split.together:
        rest = split.together_count - len(split.together)
        more = f" and {rest} more" if rest else ""
        lines.append(("", f"together with {', '.join(split.together)}{more}"))
    return lines


def _question_lines(history: SampleHistory) -> Lines:
    question = history.question
    if question is None:
        return [("label", history.label)] if history.label else []
    lines = [
        ("question", question.question),
        ("", f"template {question.template}, {counted(len(question.candidates), 'candidate')}"),
        ("answer", question.answer),
    ]
    lines += [("caption", key) for key in question.captions[:SHOWN]]
    return lines


def _selection_lines(history: SampleHistory) -> Lines:
    selection = history.selection
    if not selection.in_large:
        word = "left out"
    else:
        word = "in standard" if selection.in_standard else "not in standard"
    lines = [("selection", f"{word}: {selection.reason}")]
    lines += [
        ("", f"{level.in_standard:,} of {level.train:,} train pairs of {level.level}")
        for level in selection.levels
    ]
    if selection.subsets:
        lines.append(("", f"also in {', '.join(selection.subsets)}"))
    return lines


def _video_lines(history: VideoHistory) -> Lines:
    lines = [("video", f"{history.name}  {history.reason}")]
    if history.video is not None:
        lines.append(("", f"{history.video.identity}, licence {history.video.licence}"))
    lines += _native_lines(history.native, ())
    lines += _split_lines(history.split)
    for place, count in enumerate(history.tasks):
        told = f"{count.task} {count.samples:,}, {count.in_standard:,} of them in standard"
        told += f", {count.left_out:,} left out" if count.left_out else ""
        lines.append(("pairs" if not place else "", told))
    for name, counts in (
        ("left out", history.left_out), ("segments", history.fates),
        ("candidates", history.candidates), ("not asked", history.drops),
    ):  # fmt: skip
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if ordered:
            lines.append((name, ", ".join(f"{count:,} {word}" for word, count in ordered)))
    lines += _quarantine_lines(history.quarantine)
    return [*lines, *(("shard", shard) for shard in history.shards)]


def _segment_lines(history: SegmentHistory) -> Lines:
    lines = [("segment", f"{history.name}  {history.reason}")]
    lines += _native_lines(history.native, (history.record,))
    for task, ids in history.samples.items():
        shown = ", ".join(ids[:3])
        more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        lines.append(("pairs", f"{len(ids):,} {task}: {shown}{more}"))
    return [*lines, *_quarantine_lines(history.quarantine)]


def _quarantine_lines(rows: tuple[QuarantineTrace, ...]) -> Lines:
    lines = []
    for row in rows[:SHOWN]:
        lines.append(("quarantine", f"{row.place} {row.kind} {row.reason}: {row.detail}".strip()))
        lines.append(("", row.action))
    if len(rows) > SHOWN:
        lines.append(("", f"and {len(rows) - SHOWN} more; `medvid quarantine` has all"))
    return lines
