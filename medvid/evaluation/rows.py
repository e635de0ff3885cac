"""What every part of the evaluation speaks: rows of truth, predictions, scores of rows and columns.

A column is a function of sums over its rows, so that one table of numbers gives its value, its
value for one source or one video, and its value for any resampling of the rows:

```
value = combine(weights @ sums)      weights (draws, rows), sums (rows, terms)
```
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from schemas.scalars import Model
from schemas.source import TaskName

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Profile = Literal["official", "strict"]

Finite = Annotated[float, Field(allow_inf_nan=False)]
Span = tuple[Finite, Finite]
"""Start and end in clip-relative seconds; equal where one sampled frame is meant."""

Box = tuple[Finite, Finite, Finite, Finite]
"""Left, top, right, bottom in pixels of the original frame."""

COLUMNS: Final = (
    "CVS_acc", "NAP_acc", "SA_acc", "STG_mIoU", "TAG_mIoU@0.3", "TAG_mIoU@0.5", "DVC_F1", "DVC_llm",
    "VS_llm", "RC_llm",
)  # fmt: skip
"""The leaderboard's ten columns in its order; both profiles give them."""

STRICT_COLUMNS: Final = (
    "CVS_F1", "CVS_balanced", "NAP_F1", "NAP_balanced", "SA_kappa", "SA_MAE", "TAG_mIoU",
    "TAG_F1@0.3", "TAG_F1@0.5", "DVC_soda",
)  # fmt: skip
"""Columns that the strict profile gives beside the ten."""

LOWER_IS_BETTER: Final = ("SA_MAE",)
"""Columns in which a smaller number is the better one."""

JUDGED_COLUMNS: Final = ("DVC_llm", "VS_llm", "RC_llm")
"""Columns that need scores of caption pairs."""


class TruthEvent(Model):
    """One event of a dense caption.

    Attributes:
        start: First second, clip-relative.
        end: Last second, clip-relative.
        caption: The text, as `struc_info` or the release has it, less a label that stands apart.
        label: That label, empty where the source writes none.
    """

    start: Finite
    end: Finite
    caption: str
    label: str = ""


class TruthRow(Model):
    """One row to be answered, with its structured truth in the field of its task.

    Truth comes from a release or from `struc_info` of an official file, never from a submission.

    Attributes:
        index: Place in the benchmark's order, from 0; the only key of a row.
        row_id: `id` as the file writes it; not unique.
        qa_type: Row type with its suffix, e.g. `dense_captioning_gpt`.
        task: One of the eight tasks.
        source: Module name of the source, e.g. `cholec80cvs`.
        dataset_name: Spelling in the file, e.g. `Cholec80_CVS`.
        video_id: The source's own name of the video.
        clip_key: Names the clip: rows of one clip share it.
        question: Text of the question without `<video>`.
        fps: Sampled frames per second.
        duration_s: Length of the clip in seconds, or None where unknown.
        answer: Reference answer as text, empty where the file has none.
        spans: tal: all spans in the order of the file.
        boxes: stg: boxes by clip-relative second, in the order of the file; valid boxes only.
        events: dense_captioning: events in the order of the file.
        label: next_action: the label.
        labels: next_action: labels to choose from, as the question or the release lists them;
            the official rule uses its own lists for the sources it knows.
        procedure: next_action: procedure the row belongs to, empty where unknown.
        skill: skill_assessment: score by aspect, 1 to 5.
        cvs: cvs_assessment: score by criterion, 0 to 2.
        caption: video_summary and region_caption: the reference text.
        sample_id: Sample of the release, or None.
    """

    index: int = Field(ge=0)
    row_id: str
    qa_type: str
    task: TaskName
    source: str
    dataset_name: str
    video_id: str
    clip_key: str
    question: str
    fps: float = Field(gt=0, allow_inf_nan=False)
    duration_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    answer: str = ""
    spans: tuple[Span, ...] = ()
    boxes: Mapping[Finite, Box] = {}
    events: tuple[TruthEvent, ...] = ()
    label: str = ""
    labels: tuple[str, ...] = ()
    procedure: str = ""
    skill: Mapping[str, Annotated[int, Field(ge=1, le=5)]] = {}
    cvs: Mapping[str, Annotated[int, Field(ge=0, le=2)]] = {}
    caption: str = ""
    sample_id: str | None = None


class Prediction(Model):
    """One answer of a submission.

    Attributes:
        index: `TruthRow.index` of the row it answers.
        row_id: `id` as the submission writes it.
        qa_type: `qa_type` as the submission writes it.
        text: The answer, or None where there is none.
    """

    index: int = Field(ge=0)
    row_id: str
    qa_type: str
    text: str | None


PairKey = tuple[int, int, int]
"""Row index, number of the predicted event in its row, number of the true event in its row."""

PairScores = Mapping[PairKey, Mapping[str, float]]
"""Scores of caption pairs by aspect; a pair that could not be judged is left out."""


@dataclass(frozen=True, slots=True)
class CaptionPair:
    """A predicted caption and the reference it is judged against.

    Attributes:
        key: Names the pair; both numbers are 0 for a whole answer (summary, region caption).
        column: `DVC_llm`, `VS_llm` or `RC_llm`.
        source: Module name of the source.
        question: Text of the row's question.
        candidate: The predicted text, never empty.
        reference: The reference text.
    """

    key: PairKey
    column: str
    source: str
    question: str
    candidate: str
    reference: str


class SentenceEncoder(Protocol):
    """Turns sentences into vectors."""

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Return one vector of length 1 for each text, (texts, dimensions)."""
        ...


@dataclass(frozen=True, slots=True)
class RowScore:
    """What one row earned.

    Attributes:
        index: `TruthRow.index`.
        values: By column; None where the profile leaves the row out of the column.
        parsed: Whether the answer could be read at all.
        note: Why the row scored what it did, empty where nothing is to be said.
    """

    index: int
    values: Mapping[str, float | None]
    parsed: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class ColumnScore:
    """One column of a profile, and the numbers it is made of.

    Attributes:
        name: The column.
        value: Unrounded; None where there is nothing to score (no rows, or no judge).
        rows: Rows of the task.
        counted: Rows that bear on the value.
        parsed_rate: Share of the rows whose answer could be read; None without rows.
        by_source: The column over the rows of one source, by module name.
        row_index: `TruthRow.index` of each row, (rows,).
        sums: Terms of each row, (rows, terms).
        combine: From summed terms (draws, terms) to values (draws,), NaN where undefined.
    """

    name: str
    value: float | None
    rows: int
    counted: int
    parsed_rate: float | None
    by_source: Mapping[str, float | None]
    row_index: IntArray = field(repr=False)
    sums: FloatArray = field(repr=False)
    combine: Callable[[FloatArray], FloatArray] = field(repr=False)

    @property
    def stored(self) -> float:
        """The value as the leaderboard stores it: 0 where there is none, else three decimals.

        Its evaluator prints four decimals and the board rounds what was printed.
        """
        return round(float(f"{self.value:.4f}"), 3) if self.value is not None else 0.0

    def resampled(self, weights: FloatArray) -> FloatArray:
        """Values of the column when each row counts several times or not at all.

        Args:
            weights: How often each row counts, (draws, rows), rows as in `row_index`.

        Returns:
            One value for each draw, (draws,); NaN where a draw leaves nothing to score.
        """
        return self.combine(weights @ self.sums)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All columns and rows of one submission under one profile.

    Attributes:
        profile: `official` or `strict`.
        columns: By name: the ten of `COLUMNS`, under `strict` also those of `STRICT_COLUMNS`.
        rows: One for each row of truth, by index.
    """

    profile: Profile
    columns: Mapping[str, ColumnScore]
    rows: Sequence[RowScore]
