"""What a check found: one line a kind, counted, with a few places named."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.errors import MAX_EXAMPLE_CHARS, MAX_EXAMPLES

Level = Literal["refused", "misscored", "note"]
"""The benchmark refuses the file; it takes the file and scores it wrongly; a person may want to
know."""

LEVELS: Final[tuple[Level, ...]] = ("refused", "misscored", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of problem.

    Attributes:
        kind: Short machine-readable word.
        level: What it means for the score.
        problem: What is wrong, in one sentence.
        action: What to do next, empty for notes that ask for nothing.
        count: How often it was found.
        examples: Some of the places, in the order found, bounded in number and length.
    """

    kind: str
    level: Level
    problem: str
    action: str
    count: int
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return {
            "kind": self.kind, "level": self.level, "problem": self.problem,
            "action": self.action, "count": self.count, "examples": list(self.examples),
        }  # fmt: skip


class FindingLog:
    """Collects places by kind, so that a million of them stay a few lines.

    Args:
        kinds: By kind: level, problem and action.
    """

    def __init__(self, kinds: Mapping[str, tuple[Level, str, str]]) -> None:
        self._kinds = kinds
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._texts: dict[str, tuple[Level, str, str]] = {}

    def add(self, kind: str, example: str = "", *, count: int = 1) -> None:
        """Note one place of a known kind."""
        self._counts[kind] += count
        shown = self._examples.setdefault(kind, [])
        if example and len(shown) < MAX_EXAMPLES:
            shown.append(cut(example))

    def say(self, kind: str, problem: str, examples: Iterable[str] = (), *, count: int = 1) -> None:
        """Note a known kind once, in words of its own."""
        level, _, action = self._kinds[kind]
        self._texts[kind] = (level, problem, action)
        self._counts[kind] = 0
        self._examples[kind] = []
        for example in examples:
            self.add(kind, example, count=0)
        self._counts[kind] = count

    def findings(self) -> tuple[Finding, ...]:
        """Everything found, what is refused first, kinds in the order they are declared."""
        found = [
            Finding(
                kind, *self._texts.get(kind, self._kinds[kind]), count=self._counts[kind],
                examples=tuple(self._examples[kind]),
            )
            for kind in self._kinds
            if self._counts[kind]
        ]  # fmt: skip
        return tuple(sorted(found, key=lambda finding: LEVELS.index(finding.level)))


def cut(text: str, limit: int = MAX_EXAMPLE_CHARS) -> str:
    """Shorten a stranger's text and take the sting out of it: printable, on one line."""
    shown = "".join(c if c.isprintable() else "�" for c in text[: limit + 1])
    return shown if len(text) <= limit else shown[: limit - 1] + "…"
