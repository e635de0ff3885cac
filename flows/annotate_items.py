"""What one clip shows an annotator for each job: items, vocabulary, notes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from annotation.forms import CVS_CONTROL, CVS_LABEL
from annotation.jobs import MARK_LABELS, Job
from flows.corrections import Fixes, fix_captions
from medvid.captions import CaptionSettings, write_captions
from medvid.releases.config import BuildConfig
from medvid.releases.sheets import REGION_COLOUR, overlay_of
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.hashing import canonical_json, stable_id
from schemas.sample import Sample
from schemas.source import SourceSpec

ASKED, ANSWER = MARK_LABELS
EXCLUDED_REASONS: Final = ("out_of_body", "face", "withdrawn", "other")
SKILL_LEVELS: Final = ("N", "I", "E")
RATINGS: Final = ("1", "2", "3", "4", "5")

Xyxy = tuple[float, float, float, float]
Contents = tuple[tuple[str, dict[str, Any]], ...]
"""Items with the name of the thing each is of; a tracked object's boxes share one."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Something a pair or a caption speaks of.

    Attributes:
        label: `asked about` or `answer`.
        span: First tick and first tick after, None for boxes.
        boxes: Boxes by tick, `xyxy` in pixels of the original image.
    """

    label: str
    span: tuple[int, int] | None = None
    boxes: dict[int, Xyxy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """One task's content.

    Attributes:
        subject: What of the clip is asked about, empty for all of it.
        vocabulary: Labels by control.
        items: What is filled in.
        notes: Lines shown beside the video.
        marks: What the question, the answer or the caption speaks of, by time.
    """

    subject: str
    vocabulary: dict[str, tuple[str, ...]]
    items: Contents
    notes: dict[str, str] = field(default_factory=dict)
    marks: tuple[Spoken, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemMaker:
    """Makes the content of tasks about one clip.

    Attributes:
        sample: A pair of the clip.
        annotation: Today's labels of its video.
        fixes: What annotators said of its captions and pairs.
        spec: Facts about the source.
        config: The build the release was made by.
    """

    sample: Sample
    annotation: VideoAnnotation
    fixes: Fixes
    spec: SourceSpec
    config: BuildConfig

    def asked(self, job: Job) -> Iterator[Asked]:
        """Yield what the clip gives for a job; nothing where the labels hold nothing for it."""
        makers = {
            Job.TIMELINE: self._timeline, Job.BOXES: self._boxes, Job.CAPTION: self._captions,
            Job.SKILL: self._skill, Job.CVS: self._cvs, Job.REVIEW: self._review,
            Job.EXCLUDED: self._excluded,
        }  # fmt: skip
        yield from makers[job]()

    def _touches(self, start: int, end: int) -> bool:
        return start < self.sample.clip_end and end > self.sample.clip_start

    def _notes(self) -> dict[str, str]:
        notes = {"video": f"{self.sample.dataset_name} {self.sample.video_id}"}
        if self.annotation.procedure:
            notes["procedure"] = self.annotation.procedure
        return notes

    def _timeline(self) -> Iterator[Asked]:
        shown = [s for s in self.annotation.segments if self._touches(s.start, s.end)]
        kinds = dict.fromkeys([
            *(kind.value for kind in self.spec.clip_kinds), *(s.kind.value for s in shown)
        ])  # fmt: skip
        vocabulary = {kind: self._labels(kind) for kind in kinds}
        if shown and all(vocabulary.values()):
            items = tuple(
                (f"segment:{canonical_json(s).decode()}", s.model_dump(mode="json")) for s in shown
            )
            yield Asked("", vocabulary, items, self._notes())

    def _labels(self, kind: str) -> tuple[str, ...]:
        """Closed list of a segment kind: of this video where it has one, else of the source."""
        listed = self.annotation.candidates.get(kind)
        if listed:
            return tuple(listed)
        if kind in self.spec.vocabularies:
            return self.spec.vocabularies[kind].labels
        used = {s.label for s in self.annotation.segments if s.kind.value == kind}
        return tuple(sorted(used))

    def _boxes(self) -> Iterator[Asked]:
        ticks = set(self.sample.frame_tick)
        shown = [box for box in self.annotation.boxes if box.tick in ticks]
        objects = self._objects()
        if shown:
            items = tuple(
                (
                    f"box:{box.label}:{box.track}" if box.track else
                    f"box:{canonical_json(box).decode()}",
                    box.model_dump(mode="json"),
                )
                for box in shown
            )  # fmt: skip
            yield Asked("", {"objects": objects}, items, self._notes())

    def _objects(self) -> tuple[str, ...]:
        """Labels boxes of this source use: every vocabulary that holds one of this video's."""
        used = {box.label for box in self.annotation.boxes}
        lists = [v.labels for v in self.spec.vocabularies.values() if used & set(v.labels)]
        return tuple(
            dict.fromkeys([*(label for labels in lists for label in labels), *sorted(used)])
        )

    def _excluded(self) -> Iterator[Asked]:
        shown = [i for i in self.annotation.excluded if self._touches(i.start, i.end)]
        reasons = dict.fromkeys([*EXCLUDED_REASONS, *(i.reason for i in shown)])
        items = tuple(
            (f"excluded:{i.start}:{i.end}:{i.reason}", i.model_dump(mode="json")) for i in shown
        )
        yield Asked("", {"excluded": tuple(reasons)}, items, self._notes())

    def _cvs(self) -> Iterator[Asked]:
        shown = [c for c in self.annotation.cvs if self._touches(c.start, c.end)]
        if self.annotation.cvs:
            items = tuple((f"cvs:{c.start}:{c.end}", c.model_dump(mode="json")) for c in shown)
            yield Asked("", {CVS_CONTROL: (CVS_LABEL,)}, items, self._notes())

    def _skill(self) -> Iterator[Asked]:
        skill = self.annotation.skill
        if skill is not None:
            vocabulary: dict[str, tuple[str, ...]] = {"level": SKILL_LEVELS}
            vocabulary |= dict.fromkeys(skill.scores, RATINGS)
            item = (f"skill:{self.sample.video_id}", skill.model_dump(mode="json"))
            yield Asked("", vocabulary, (item,), self._notes())

    def _review(self) -> Iterator[Asked]:
        notes = self._notes() | {
            "task": self.sample.task, "question": self.sample.question,
            "answer": self.sample.answer,
        }  # fmt: skip
        yield Asked(self.sample.sample_id, {}, (), notes, tuple(self._spoken()))

    def _spoken(self) -> Iterator[Spoken]:
        """What the pair asks about and answers, as its contact sheet draws it."""
        sample, overlay = self.sample, overlay_of(self.sample)
        rate = Fraction(sample.tick_rate_num, sample.tick_rate_den)
        for start_s, end_s, _ in overlay.spans:
            start, end = (sample.frame_tick[0] + round(s * rate) for s in (start_s, end_s))
            yield Spoken(ANSWER, (start, max(end, start + 1)))
        by_colour: dict[int, dict[int, Xyxy]] = {}
        for position, boxes in sorted(overlay.boxes.items()):
            for xyxy, _, colour in boxes:
                by_colour.setdefault(colour, {})[sample.frame_tick[position]] = xyxy
        for colour, found in sorted(by_colour.items()):
            yield Spoken(ASKED if colour == REGION_COLOUR else ANSWER, boxes=found)

    def _captions(self) -> Iterator[Asked]:
        for caption in self._written():
            item = {
                "clip_id": caption.clip_id, "scope": caption.scope, "subject": caption.subject,
                "text": caption.text,
            }  # fmt: skip
            rate = self.sample.tick_rate_num / self.sample.tick_rate_den
            start, end = (
                (tick - self.sample.frame_tick[0]) / rate for tick in (caption.start, caption.end)
            )
            notes = self._notes() | {
                caption.scope: f"{caption.label or 'the whole clip'}, {start:.1f}-{end:.1f} s"
            }
            subject = stable_id("caption", caption.scope, caption.subject)
            marks = tuple(self._told_of(caption))
            yield Asked(subject, {}, ((f"caption:{subject}", item),), notes, marks)

    def _told_of(self, caption: Caption) -> Iterator[Spoken]:
        """Where and when a caption's event or object is; a summary is about all there is."""
        if caption.scope == "event":
            yield Spoken(ASKED, (caption.start, caption.end))
        elif caption.scope == "region":
            named = caption.subject.rpartition(":")[0].rpartition(":")[0]
            seen = set(self.sample.frame_tick)
            boxes = {
                box.tick: box.xyxy
                for box in self.annotation.boxes
                if (box.track or box.label) == named and box.label == caption.label
                and caption.start <= box.tick < caption.end and box.tick in seen
            }  # fmt: skip
            yield Spoken(ASKED, boxes=boxes)

    def _written(self) -> tuple[Caption, ...]:
        """Captions of the clip as the build writes them, annotators' texts in place."""
        sample, clip = self.sample, self._clip()
        own = next(source for source in self.config.sources if source.name == sample.source)
        questions = self.config.questions_of(own)
        settings = CaptionSettings(
            seed=self.config.seed, max_regions_per_clip=questions.max_regions_per_clip
        )
        written = write_captions(self.annotation, self.spec, [clip], settings)
        fixed, _ = fix_captions(written.captions, self.fixes)
        return fixed

    def _clip(self) -> Clip:
        sample = self.sample
        return Clip(
            source=sample.source, video_id=sample.video_id, kind=self.spec.clip_kinds[0],
            start=sample.clip_start, end=sample.clip_end, rate_num=sample.rate_num,
            rate_den=sample.rate_den, frame_index=sample.frame_index,
            frame_tick=sample.frame_tick, sparse=sample.sparse,
        )  # fmt: skip
