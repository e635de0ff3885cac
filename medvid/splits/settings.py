"""What decides which video trains and which tests, and which pairs are in `standard`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from schemas.scalars import Model, SourceName

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


class Split(StrEnum):
    """Part of a release."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class SplitSettings(Model):
    """How videos are assigned and pairs selected.

    Attributes:
        seed: Seed of every hash order.
        test_share: Share of each source's videos to test.
        val_share: Share of each source's videos to val; the rest trains.
        standard_size: Pairs in `standard`.
        pins: Videos that must test, by source: a video id, or an identity without its prefix.
        extra_pins: Further such videos, without giving up the public ones.
        pinned_identities: Identities that must test, whatever source holds them.
        shortfall: Whether a train part smaller than `standard_size` is reported or refused.
    """

    seed: int = 0
    test_share: float = Field(default=0.12, ge=0, lt=1)
    val_share: float = Field(default=0.03, ge=0, lt=1)
    standard_size: int = Field(default=51_505, ge=0)
    pins: dict[SourceName, tuple[str, ...]] = dict(PUBLIC_TEST_VIDEOS)
    extra_pins: dict[SourceName, tuple[str, ...]] = {}
    pinned_identities: tuple[str, ...] = PUBLIC_TEST_IDENTITIES
    shortfall: Literal["report", "refuse"] = "report"

    @model_validator(mode="after")
    def _leaves_train(self) -> Self:
        if self.test_share + self.val_share >= 1:
            raise ValueError("test_share and val_share leave nothing to train on")
        return self

    def pinned(self, source: str) -> tuple[str, ...]:
        """Every pin of a source, sorted, each once."""
        return tuple(sorted({*self.pins.get(source, ()), *self.extra_pins.get(source, ())}))
