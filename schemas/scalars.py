"""Annotated scalars and the base model every shared type is built on."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Final = 1
"""Version of every record, table, ledger and log this code writes."""

Tick = Annotated[int, Field(ge=0)]
"""A non-negative count of time-base ticks since the first frame of the video."""

FrameIndex = Annotated[int, Field(ge=0)]
"""A frame number as the source counts it (0- or 1-based, see `TimeBase.first_index`)."""

PositiveInt = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A duration or clip-relative time in seconds; for people and grammars, never for arithmetic."""

Pixels = Annotated[float, Field(allow_inf_nan=False)]
"""A coordinate in pixels of `Video.resolution_wh`."""

Label = Annotated[str, Field(min_length=1)]
SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$")]
"""Module name of a source: lower-case letters and digits, e.g. `cholect50`."""

VideoId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,48}$")]
"""A source's own name of a video; goes into shard keys, so no dots, slashes or spaces."""


class Model(BaseModel):
    """Immutable record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy, leaving behind what was computed from the fields and kept: an id, say.

        pydantic copies the whole `__dict__`, so that a changed copy would carry the old id.

        Args:
            update: Fields to replace, unchecked.
            deep: Whether values are copied too.
        """
        copy = super().model_copy(update=update, deep=deep)
        fields = type(self).model_fields
        for name in [name for name in copy.__dict__ if name not in fields]:
            del copy.__dict__[name]
        return copy
