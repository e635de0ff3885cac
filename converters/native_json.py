"""Read native JSON strictly: one object a file, repeated keys seen, every fault named."""

import json
import re
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from schemas.errors import MalformedSourceError

MAX_CHARACTERS = 1 << 28
MAX_SHOWN = 80
_BRIEF = reprlib.Repr()
_FRAME_KEY = re.compile(r"[0-9]{1,6}")


class JsonObject(dict[str, Any]):
    """A JSON object that remembers which keys its text gave more than once.

    The last value of a repeated key stands, as in every common parser.

    Attributes:
        repeated: Keys given more than once, in file order.
    """

    __slots__ = ("repeated",)
    repeated: tuple[str, ...]


def load_json(handle: TextIO, *, dataset: str, source: str) -> JsonObject:
    """Read the one object a label file holds.

    Args:
        handle: Open text handle, decoded as UTF-8 with or without a byte order mark.
        dataset: Source the file belongs to, for the error.
        source: File relative to the source root, for the error.

    Returns:
        The object, nested objects being `JsonObject` too.

    Raises:
        MalformedSourceError: The text is empty, not UTF-8, cut short, nested too deeply, larger
            than 256 Mi characters, not an object, or repeats a top-level key.
    """
    try:
        text = handle.read(MAX_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        raise MalformedSourceError(
            f"the file is not UTF-8 text: byte {error.start} cannot be read.",
            dataset=dataset, source=source,
        ) from error  # fmt: skip
    line = None
    if len(text) > MAX_CHARACTERS:
        problem = f"the file has more than {MAX_CHARACTERS} characters."
    elif not text.strip():
        problem = "the file is empty."
    else:
        try:
            value = json.loads(text, object_pairs_hook=_collect)
        except json.JSONDecodeError as error:
            problem, line = f"the file is not whole JSON: {error.msg}.", error.lineno
        except RecursionError:
            problem = "the file nests values too deeply."
        except ValueError as error:
            problem = f"the file holds a value that cannot be read: {error}."
        else:
            if isinstance(value, JsonObject) and not value.repeated:
                return value
            problem = (
                f"the file gives {shown(value.repeated[0])} more than once."
                if isinstance(value, JsonObject)
                else f"the file holds a {type(value).__name__}, not an object."
            )
    raise MalformedSourceError(problem, dataset=dataset, source=source, line=line)


def _collect(pairs: list[tuple[str, Any]]) -> JsonObject:
    value = JsonObject(pairs)
    value.repeated = ()
    if len(value) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        value.repeated = tuple(key for key, count in counts.items() if count > 1)
    return value


def shown(value: object) -> str:
    r"""Show a native value in a message: ASCII, at most 80 characters, whatever its size.

    >>> shown("café")
    "'caf\\xe9'"
    """
    text = _BRIEF.repr(value).encode("ascii", "backslashreplace").decode()
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def as_int(value: object) -> int | None:
    """Return a whole number written as `3` or `3.0`, None for anything else."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    return None


def as_frame_number(key: str) -> int | None:
    """Return the number in a frame key of up to six ASCII digits, None for anything else."""
    return int(key) if _FRAME_KEY.fullmatch(key) else None


def missing_and_extra(
    value: Mapping[str, object], expected: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yield `("missing_key" | "extra_key", key)` where an object differs from its format."""
    wanted = list(expected)
    yield from (("missing_key", key) for key in wanted if key not in value)
    yield from (("extra_key", key) for key in value if key not in wanted)
