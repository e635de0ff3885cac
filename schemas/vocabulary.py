"""Closed label lists, spelled as published, with aliases and readable phrases beside them."""

from collections.abc import Mapping
from typing import Self

from pydantic import model_validator

from schemas.errors import UnknownLabelError
from schemas.scalars import Label, Model


class Vocabulary(Model):
    """A closed list of labels.

    Attributes:
        name: What the labels name, e.g. `phase`.
        labels: Published spellings, typos kept because matching is exact; position is the id.
        aliases: Other spellings met in native files, to a label.
        phrases: How running text says a label; a label without one is said with spaces for
            hyphens and underscores.
    """

    name: Label
    labels: tuple[Label, ...]
    aliases: Mapping[str, str] = {}
    phrases: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _is_closed(self) -> Self:
        known = set(self.labels)
        if len(known) != len(self.labels):
            raise ValueError(f"vocabulary {self.name} repeats a label")
        strangers = [*set(self.aliases.values()) - known, *self.phrases.keys() - known]
        if strangers:
            raise ValueError(f"vocabulary {self.name} maps to unknown labels {sorted(strangers)}")
        return self

    def label(self, native: str, *, dataset: str | None = None, source: str | None = None) -> str:
        """Return the published spelling of a native label.

        Raises:
            UnknownLabelError: The label is neither published nor an alias.
        """
        if native in self.labels:
            return native
        if native in self.aliases:
            return self.aliases[native]
        raise UnknownLabelError(
            f"label {native!r} is not in the {self.name} vocabulary.",
            dataset=dataset, source=source, field=self.name,
        )  # fmt: skip

    def label_of_id(self, native_id: int, *, source: str | None = None) -> str:
        """Return the label with a 0-based id.

        Raises:
            UnknownLabelError: No label has this id.
        """
        if not 0 <= native_id < len(self.labels):
            raise UnknownLabelError(
                f"{self.name} id {native_id} is outside 0..{len(self.labels) - 1}.",
                source=source, field=self.name,
            )  # fmt: skip
        return self.labels[native_id]

    def phrase(self, label: str) -> str:
        """Return the label as running text says it."""
        return self.phrases.get(label, label.replace("-", " ").replace("_", " "))
