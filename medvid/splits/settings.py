"""What decides which video trains and which tests, and which pairs are in `standard`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, NonNegativeInt, field_validator, model_validator

from schemas.scalars import Label, Model, PositiveInt, SourceName
from schemas.source import TaskName

PUBLIC_TEST_VIDEOS: Final[Mapping[str, tuple[str, ...]]] = {
    "avos": (
        "SublDZXJ7p4", "VsKw5d-4rq8", "Xg6vD3vngLQ", "XnkQgjOM5RU", "kcOqlifSukA", "n6XWCpbmHtw",
        "sL5tVxz89i4",
    ),
    "cholect50": ("VID15", "VID25", "VID40", "VID42", "VID49", "VID66"),
    "cholectrack20": ("VID25", "VID92"),
    "copesd": ("023521", "233029"),
    "egosurgery": ("04_1", "18_2"),
    "nurvid": ("Z6Sr3Rk1k-8",),
}  # fmt: skip
"""Videos known from public files to be in MedVidBench's test set; its whole list is not public."""

PUBLIC_TEST_IDENTITIES: Final[tuple[str, ...]] = (
    *(f"cholec80:{number}" for number in (15, 25, 40, 42, 49, 66, 92)),
    *(f"youtube:{name}" for source in ("avos", "nurvid") for name in PUBLIC_TEST_VIDEOS[source]),
)
"""The same people and recordings, for sources that share them: a build of Cholec80-CVS alone must
not train on a patient whom the benchmark tests through CholecT50."""


PUBLISHED_SOURCES: Final[Mapping[str, int]] = {
    "avos": 57_776,
    "cholec80cvs": 3_765,
    "cholect50": 6_004,
    "cholectrack20": 81_855,
    "copesd": 62_454,
    "egosurgery": 152_752,
    "jigsaws": 852,
    "nurvid": 95_955,
}
"""Pairs by source in the only published figure of MedVidBench's large version (project page). They
sum to 461,413 and not to the 531,850 that the paper states; nobody says why."""

PUBLISHED_TEST: Final[Mapping[TaskName, int]] = {
    TaskName.TAL: 1_637,
    TaskName.STG: 780,
    TaskName.DENSE_CAPTIONING: 1_479,
    TaskName.NEXT_ACTION: 670,
    TaskName.CVS_ASSESSMENT: 648,
    TaskName.VIDEO_SUMMARY: 565,
    TaskName.REGION_CAPTION: 306,
    TaskName.SKILL_ASSESSMENT: 160,
}
"""Pairs by task in the public test file, 6,245 in all. The two kinds of captions that it tells
apart by writer count as one, since here captions have one writer."""

PUBLISHED_SIZE: Final = 531_850
"""Pairs of MedVidBench's large version, test included."""

PUBLISHED: Final = "published"
"""Stands in settings for the published table."""


class Split(StrEnum):
    """Part of a release."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class NativeScheme(Model):
    """Which of a source's official splits is honoured, and how its parts are called here.

    Attributes:
        scheme: Name of the scheme in `Video.native_split`; None where the source has one only.
        parts: Split by the scheme's own name of a part, e.g. `{"B": "test", "C": "train"}` of
            JIGSAWS's `UserOut`; parts called train, val, test and their like need no entry.
    """

    scheme: Label | None = None
    parts: dict[str, Split] = {}


class SubsetSettings(Model):
    """A named balanced subset, e.g. for reinforcement learning.

    Attributes:
        size: Its pairs; all that there are where None.
        tasks: Tasks it is balanced over; all where None.
        within: Whether it is taken from `standard` or from the whole train split of `large`.
    """

    size: PositiveInt | None = None
    tasks: tuple[TaskName, ...] | None = None
    within: Literal["standard", "large"] = "standard"


SubsetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
"""Name of a subset."""


class SplitSettings(Model):
    """How videos are assigned and pairs selected.

    Attributes:
        seed: Seed of every hash order.
        mode: `identity` assigns components by hash, so that nobody stands in two splits; `native`
            honours the official splits, which may part what belongs together, and says where.
        native: Official scheme by source, for `native`.
        test_share: Share of each source's videos to test.
        val_share: Share of each source's videos to val; the rest trains.
        max_joined_share: Share of a source's videos that near-duplicate media alone may join into
            one component; above it, and from three videos on, the build stops.
        large_size: Pairs of train, val and test together; every pair there is where None.
        quotas: Pairs by source, test included. `published` scales the shares of
            `PUBLISHED_SOURCES` to `large_size`, and means no quotas where that is None. A table
            without `large_size` leaves sources that it does not name whole.
        test_counts: Pairs of test by task, `published` for `PUBLISHED_TEST`; every pair of a test
            identity where None. Tasks that a table does not name have no test pair.
        standard_size: Pairs in `standard`.
        subsets: Further balanced subsets of train, by name.
        pins: Videos that must test, by source: a video id, or an identity without its prefix.
        extra_pins: Further such videos, without giving up the public ones.
        pinned_identities: Identities that must test, whatever source holds them.
        shortfall: Whether a size that the pool cannot reach is reported or refused.
    """

    seed: int = 0
    mode: Literal["identity", "native"] = "identity"
    native: dict[SourceName, NativeScheme] = {}
    test_share: float = Field(default=0.12, ge=0, lt=1)
    val_share: float = Field(default=0.03, ge=0, lt=1)
    max_joined_share: float = Field(default=0.05, gt=0, le=1)
    large_size: PositiveInt | None = None
    quotas: dict[SourceName, NonNegativeInt] | Literal["published"] = PUBLISHED
    test_counts: dict[TaskName, NonNegativeInt] | Literal["published"] | None = None
    standard_size: int = Field(default=51_505, ge=0)
    subsets: dict[SubsetName, SubsetSettings] = {}
    pins: dict[SourceName, tuple[str, ...]] = dict(PUBLIC_TEST_VIDEOS)
    extra_pins: dict[SourceName, tuple[str, ...]] = {}
    pinned_identities: tuple[str, ...] = PUBLIC_TEST_IDENTITIES
    shortfall: Literal["report", "refuse"] = "report"

    @model_validator(mode="after")
    def _leaves_train(self) -> Self:
        if self.test_share + self.val_share >= 1:
            raise ValueError("test_share and val_share leave nothing to train on")
        return self

    @field_validator("subsets")
    @classmethod
    def _names_are_free(cls, subsets: dict[str, SubsetSettings]) -> dict[str, SubsetSettings]:
        taken = sorted({"large", "standard"} & set(subsets))
        if taken:
            raise ValueError(f"subsets cannot be called {' or '.join(taken)}")
        return subsets

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        size = self.large_size
        if size is None:
            return self
        if isinstance(self.quotas, dict) and sum(self.quotas.values()) != size:
            raise ValueError(
                f"quotas sum to {sum(self.quotas.values())}, large_size is {size}: give one alone, "
                "or both alike"
            )
        tested = sum((self.tested or {}).values())
        if tested > size:
            raise ValueError(f"test_counts sum to {tested}, more than large_size, {size}")
        return self

    @property
    def tested(self) -> dict[str, int] | None:
        """Pairs of test by task; None where every pair of a test identity tests."""
        if self.test_counts is None:
            return None
        table = PUBLISHED_TEST if self.test_counts == PUBLISHED else self.test_counts
        return {str(task): count for task, count in table.items()}

    def pinned(self, source: str) -> tuple[str, ...]:
        """Every pin of a source, sorted, each once."""
        return tuple(sorted({*self.pins.get(source, ()), *self.extra_pins.get(source, ())}))
