"""Names and their order: the format rules that make one tar readable by every loader.

Each rule comes from a reader that fails without it: dots end the key for `webdataset` and
Energon, a leading underscore hides a file from `webdataset`, upper-case parts are lost by Hugging
Face `datasets`, which also infers features from the first samples, keys must be unique for
Energon's index, and 100 characters are what a plain USTAR header holds.
"""

import re
from typing import Final

from medvid.shards.ustar import MAX_NAME

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.[a-z][a-z0-9]*", re.ASCII)


class OrderError(ValueError):
    """A name, or its place among the others, that breaks a format rule; its text says which."""


def name_fault(name: str) -> str | None:
    """Say what is wrong with a member name, None where nothing is.

    >>> name_fault("VID75_00000548.jpg")
    >>> name_fault("VID.75.jpg")
    "name 'VID.75.jpg' has 2 dots: only one may stand, between key and part"
    """
    if _NAME.fullmatch(name) and len(name) <= MAX_NAME:
        return None
    shown = repr(name[:MAX_NAME])
    if not name.isascii():
        return f"name {shown} is not ASCII"
    if len(name) > MAX_NAME:
        return f"name {shown} has {len(name)} characters, a USTAR header holds {MAX_NAME}"
    if name.count(".") != 1:
        return f"name {shown} has {name.count('.')} dots: only one may stand, between key and part"
    return (
        f"name {shown} needs a key of letters, digits, _ and - that starts with a letter or digit, "
        "and a part of lower-case letters and digits"
    )


class OrderCheck:
    """Follows members one by one and refuses what breaks the order.

    Keys rise strictly from sample to sample, parts rise strictly within one, and every sample has
    the parts of the first. Memory does not grow with the number of members.
    """

    def __init__(self) -> None:
        self._key = ""
        self._parts: tuple[str, ...] = ()
        self._all_parts: tuple[str, ...] | None = None
        self.samples = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of every sample, sorted; those of the open sample while it is the first."""
        return self._all_parts or self._parts

    def add(self, name: str) -> None:
        """Take the next member.

        Raises:
            OrderError: The name is illegal, a repetition, or in the wrong place.
        """
        fault = name_fault(name)
        if fault is not None:
            raise OrderError(fault)
        key, _, part = name.partition(".")
        if key == self._key:
            self._add_part(name, part)
            return
        if key < self._key:
            raise OrderError(
                f"key {key!r} comes after {self._key!r}: keys must rise, without repetition, and "
                "the parts of one key must be adjacent"
            )
        self.finish()
        self._key, self._parts = key, (part,)
        self.samples += 1

    def finish(self) -> None:
        """Close the open sample.

        Raises:
            OrderError: Its parts are not those of the first sample.
        """
        if not self._parts:
            return
        if self._all_parts is None:
            self._all_parts = self._parts
        elif self._parts != self._all_parts:
            raise OrderError(
                f"sample {self._key!r} has parts {', '.join(self._parts)}, "
                f"the ones before it have {', '.join(self._all_parts)}"
            )

    def _add_part(self, name: str, part: str) -> None:
        if part in self._parts:
            raise OrderError(f"member {name!r} is there twice")
        if part < self._parts[-1]:
            raise OrderError(f"part {part!r} of {self._key!r} comes after {self._parts[-1]!r}")
        self._parts = (*self._parts, part)
