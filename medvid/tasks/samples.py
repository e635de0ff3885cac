"""Make a sample of what a task found to ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from medvid.tasks.base import ClipContext
from medvid.tasks.wording import Wording, compose_question
from schemas.hashing import canonical_json, hash_order
from schemas.sample import NO_REGION, Sample, sample_id
from schemas.source import TaskName
from schemas.timeline import Segment

Xyxy = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """A question a task can ask about a clip, not yet in words.

    Attributes:
        task: The task.
        qa_type: The row type.
        subject: The structured thing asked about; its JSON is part of the sample's identity.
        label: The label balanced over, empty where there is none.
        answer: Text in the task's grammar.
        target: What the task's `parse_` returns from the answer.
        wording: The task's paraphrases.
        values: What the ask's placeholders stand for.
        candidates: Labels to list, in any order; the asked label is added where it is absent.
        asked: Label that must be among the candidates, empty where there is none.
        records: Native records the answer stands on, e.g. `segment:3`.
        captions: Keys of the captions the answer repeats.
        region: Native frame number and box of a region, or None.
    """

    task: TaskName
    qa_type: str
    subject: Mapping[str, object]
    label: str
    answer: str
    target: object
    wording: Wording
    values: dict[str, str] = field(default_factory=dict)
    candidates: Sequence[str] = ()
    asked: str = ""
    records: Sequence[str] = ()
    captions: Sequence[str] = ()
    region: tuple[int, Xyxy] | None = None


def make_sample(context: ClipContext, finding: Finding) -> Sample:
    """Give a finding its identity, its words and its frames."""
    clip, video, spec = context.clip, context.annotation.video, context.spec
    seed = context.settings.seed
    identity = sample_id(clip, finding.task, finding.qa_type, finding.subject)
    candidates = _ordered_candidates(finding, seed, identity)
    question = compose_question(
        spec, context.annotation.procedure, finding.wording, candidates, finding.values,
        seed=seed, sample_id=identity,
    )  # fmt: skip
    provenance = {
        "captions": list(finding.captions),
        "records": list(finding.records),
        "revision": context.annotation.revision,
        "template": f"{finding.task.value}:{question.template}",
    }
    frame, xyxy = finding.region or (-1, NO_REGION)
    base = video.time_base
    return Sample(
        sample_id=identity, source=video.source, dataset_name=spec.dataset_name,
        video_id=video.video_id, identity=video.identity, clip_id=context.clip_id,
        task=finding.task, qa_type=finding.qa_type, label=finding.label,
        subject=canonical_json(dict(finding.subject)).decode(), question=question.text,
        answer=finding.answer, candidates=tuple(candidates),
        target=canonical_json(finding.target).decode(),
        clip_start=clip.start, clip_end=clip.end, rate_num=clip.rate_num, rate_den=clip.rate_den,
        tick_rate_num=base.rate_num, tick_rate_den=base.rate_den,
        frame_index=clip.frame_index, frame_tick=clip.frame_tick,
        width=video.resolution_wh[0], height=video.resolution_wh[1],
        region_frame=frame, region_xyxy=xyxy, sparse=clip.sparse, licence=video.licence,
        provenance=orjson.dumps(provenance).decode(),
    )  # fmt: skip


def segment_record(position: int, segment: Segment) -> str:
    """Name a segment by its place in the annotation and, after `@`, in the native file."""
    if segment.native_index is None:
        return f"segment:{position}"
    return f"segment:{position}@{segment.native_index}"


def _ordered_candidates(finding: Finding, seed: int, identity: str) -> list[str]:
    """List the candidates in an order that says nothing about the answer."""
    if not finding.candidates:
        return []
    labels = dict.fromkeys(finding.candidates)
    if finding.asked:
        labels.setdefault(finding.asked)
    return hash_order(labels, seed, identity, "candidates")
