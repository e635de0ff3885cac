"""Facts about a source that tasks, captions and cards need: its specification."""

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction

from pydantic import Field

from schemas.scalars import Label, Model, PositiveInt, SourceName
from schemas.timeline import SegmentKind
from schemas.vocabulary import Vocabulary


class TaskName(StrEnum):
    """The eight tasks, by the benchmark's names."""

    TAL = "tal"
    STG = "stg"
    NEXT_ACTION = "next_action"
    DENSE_CAPTIONING = "dense_captioning"
    VIDEO_SUMMARY = "video_summary"
    REGION_CAPTION = "region_caption"
    SKILL_ASSESSMENT = "skill_assessment"
    CVS_ASSESSMENT = "cvs_assessment"


class Licence(Model):
    """A licence as flags a program can act on.

    Attributes:
        id: Registry key, e.g. `cc-by-nc-sa-4.0`.
        name: As its authors call it.
        url: Where its text is, or None.
        share_media: Pictures may be passed on.
        share_labels: Labels and text made from them may be passed on.
        derivatives: Altered versions may be passed on.
        commercial: Commercial use is allowed.
        share_alike: What is passed on must carry the same licence.
    """

    id: Label
    name: Label
    url: str | None
    share_media: bool
    share_labels: bool
    derivatives: bool
    commercial: bool
    share_alike: bool


class DataCard(Model):
    """Front matter of a source's card: the only home of licence, citation and access.

    Attributes:
        name: Module name of the source.
        title: The dataset as its authors spell it.
        licence: What its terms allow.
        citation: BibTeX.
        access: How to get the native files.
        homepage: Public page.
        procedures: What is shown, e.g. `laparoscopic cholecystectomy`.
    """

    name: SourceName
    title: Label
    licence: Licence
    citation: Label
    access: Label
    homepage: Label
    procedures: tuple[Label, ...]


class QuestionVoice(Model):
    """How a question about this source opens.

    Attributes:
        roles: One-sentence roles for the model; our own wording.
        contexts: One sentence on what the clip shows; our own wording. `{procedure}` stands for
            `VideoAnnotation.procedure` where the source names one.
        step_word: Plural noun for the labels in a candidate list, e.g. `surgical phases`.
    """

    roles: tuple[Label, ...] = Field(min_length=3)
    contexts: tuple[Label, ...] = Field(min_length=3)
    step_word: Label


class SourceSpec(Model):
    """What the rest of the system must know of a source.

    Attributes:
        name: Module name, e.g. `cholect50`.
        dataset_name: Spelling in official MedVidBench rows, e.g. `Cholec80_CVS`.
        version: Version of the converter; a change rebuilds every video of the source.
        card: Licence, citation, access.
        tasks: Tasks built by default.
        extra_tasks: Further tasks the labels can honestly support, off by default.
        clip_kinds: Segment kinds whose runs become clips.
        label_kind: Segment kind that tal, next action, dense captioning and summaries ask about;
            None where the source labels no such segments.
        vocabularies: By name: `phase`, `action`, `instrument`, `verb`, `target`, `triplet`, ….
        voice: How questions open.
        max_rate_num: Highest sampling rate in frames per `max_rate_den` seconds.
        max_rate_den: Seconds per `max_rate_num` frames.
        labelled_events: Whether dense captions repeat the label before the caption, as AVOS and
            NurViD rows do.
        candidate_style: `list` prints candidates as a Python list, `text` as comma-separated text.
        integer_times: Whether grounding questions print whole seconds, as CoPESD rows do.
    """

    name: SourceName
    dataset_name: Label
    version: PositiveInt
    card: DataCard
    tasks: tuple[TaskName, ...]
    extra_tasks: tuple[TaskName, ...] = ()
    clip_kinds: tuple[SegmentKind, ...]
    label_kind: SegmentKind | None
    vocabularies: Mapping[str, Vocabulary]
    voice: QuestionVoice
    max_rate_num: PositiveInt
    max_rate_den: PositiveInt = 1
    labelled_events: bool = False
    candidate_style: str = Field(default="list", pattern="^(list|text)$")
    integer_times: bool = False

    @property
    def max_rate(self) -> Fraction:
        """Highest sampling rate in frames per second."""
        return Fraction(self.max_rate_num, self.max_rate_den)
