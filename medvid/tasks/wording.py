"""Put a question into words: role, context, candidate list, ask, each chosen by hash."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.hashing import hash_choice
from schemas.source import SourceSpec

_PROCEDURE = "{procedure}"


@dataclass(frozen=True, slots=True)
class Wording:
    """A task's own paraphrases.

    Attributes:
        asks: What is asked; placeholders are the task's own.
        lists: How the candidates are introduced, with `{step_word}` and `{candidates}`; empty
            where the task lists none.
    """

    asks: tuple[str, ...]
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words.

    Attributes:
        text: Role, context, candidate list where there is one, and ask, joined by spaces.
        template: Places of the chosen paraphrases, e.g. `role2.context0.list4.ask1`.
    """

    text: str
    template: str


def compose_question(
    spec: SourceSpec,
    procedure: str | None,
    wording: Wording,
    candidates: Sequence[str],
    values: dict[str, str],
    *,
    seed: int,
    sample_id: str,
) -> Question:
    """Choose a paraphrase of each part by hash of seed and sample id, and fill it in.

    Args:
        spec: The source, whose voice gives roles and contexts.
        procedure: Name of the video's procedure; without one the card's first stands in.
        wording: The task's paraphrases.
        candidates: Labels in the order they are listed.
        values: What the ask's placeholders stand for.
        seed: Seed of the build.
        sample_id: The sample the question belongs to.
    """
    chosen: list[str] = []
    names: list[str] = []
    banks = {
        "role": spec.voice.roles, "context": spec.voice.contexts,
        "list": wording.lists if candidates else (), "ask": wording.asks,
    }  # fmt: skip
    for part, bank in banks.items():
        if not bank:
            continue
        place = hash_choice(range(len(bank)), seed, sample_id, part)
        names.append(f"{part}{place}")
        chosen.append(_fill(part, bank[place], spec, procedure, candidates, values))
    return Question(" ".join(chosen), ".".join(names))


def candidate_text(candidates: Sequence[str], style: str) -> str:
    """Print candidates as a Python list or as comma-separated text.

    >>> candidate_text(["cutting", "tying"], "list"), candidate_text(["Check", "Document"], "text")
    ("['cutting', 'tying']", 'Check, Document')
    """
    return repr(list(candidates)) if style == "list" else ", ".join(candidates)


def _fill(
    part: str,
    template: str,
    spec: SourceSpec,
    procedure: str | None,
    candidates: Sequence[str],
    values: dict[str, str],
) -> str:
    # Contexts come from a source's module, labels from native files: only our own paraphrases
    # are format strings, and what is put into them is never read as one.
    if part == "role":
        return template
    if part == "context":
        return template.replace(_PROCEDURE, procedure or spec.card.procedures[0])
    if part == "list":
        shown = candidate_text(candidates, spec.candidate_style)
        return template.format(step_word=spec.voice.step_word, candidates=shown)
    return template.format(**values)
