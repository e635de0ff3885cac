"""Read a label as English: a command, an activity or a name, and the clauses it can stand in."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from medvid.captions.lexicon import (
    ACTIVITY_ENDINGS,
    BARE_AFTER_PREPOSITION,
    COUNTED,
    DEFINITE_PLURALS,
    INDEFINITE_VERBS,
    MASS,
    NO_PASSIVE,
    OBJECTLESS,
    PHRASAL,
    PREPOSITIONS,
    VERBS,
)
from medvid.captions.morphology import (
    CACHED_PHRASES,
    GERUNDS,
    be,
    definite,
    gerund,
    has_determiner,
    head_noun,
    indefinite,
    is_plural,
    participle,
    plain,
    third_person,
)

_MOVING_TAIL: Final = frozenset({"with", "to", "from", "into", "onto", "through"})
"""Prepositions that follow the verb in a passive: `the patient is turned to the left`."""

_JOINING_GERUNDS: Final = frozenset({"taking", "using", "holding"})


class LabelForm(StrEnum):
    """How a label is worded."""

    COMMAND = "command"
    ACTIVITY = "activity"
    NOUN = "noun"
    OPAQUE = "opaque"


class Passive(NamedTuple):
    """A label without a person: `the skin is disinfected`, `the skin is being disinfected`."""

    now: str
    ongoing: str


@dataclass(frozen=True, slots=True)
class LabelGrammar:
    """What sentences need of one label.

    Attributes:
        form: How the label is worded.
        phrase: The label as running text says it, without articles of ours.
        noun: Noun phrase for the whole label: `disinfecting the skin`, `handwashing`.
        noun_plural: Whether `noun` takes a plural verb.
        performable: Whether `noun` can be performed, as a handwashing can and a suture cannot.
        active: Predicate for a singular person, `disinfects the skin`, or None.
        progressive: The same after `is`, `disinfecting the skin`, or None.
        passive: Clauses without a person, or None.
    """

    form: LabelForm
    phrase: str
    noun: str
    noun_plural: bool = False
    performable: bool = False
    active: str | None = None
    progressive: str | None = None
    passive: Passive | None = None


class _Verb(NamedTuple):
    """One verb of a label and what follows it, articles set."""

    base: str
    particle: str
    rest: tuple[str, ...]

    def said(self, form: str) -> str:
        return " ".join(part for part in (form, self.particle, self.object_text) if part)

    @property
    def object_text(self) -> str:
        return with_articles(self.rest, indefinite_object=self.base in INDEFINITE_VERBS)


@lru_cache(maxsize=CACHED_PHRASES)
def read_label(phrase: str, *, is_name: bool = False) -> LabelGrammar:
    """Read a label's phrase.

    Args:
        phrase: The label as its vocabulary says it.
        is_name: The label names a stretch of the procedure, as phases do, whatever its wording.
    """
    text = plain(phrase)
    words = text.split()
    first = words[0].lower()
    of_follows = len(words) > 1 and words[1] == "of" and (first, "of") not in PHRASAL
    if is_name:
        return LabelGrammar(LabelForm.NOUN, text, text, is_plural(text))
    if first in VERBS and not of_follows:
        return _read_verbs(LabelForm.COMMAND, text, words)
    if first in GERUNDS and not of_follows:
        return _read_verbs(LabelForm.ACTIVITY, text, words)
    if head_noun(text).lower().endswith(ACTIVITY_ENDINGS):
        noun = indefinite(text) if head_noun(text) in COUNTED else text
        return LabelGrammar(LabelForm.NOUN, text, noun, is_plural(text), performable=True)
    return LabelGrammar(LabelForm.OPAQUE, text, f'"{text}"')


def _read_verbs(form: LabelForm, text: str, words: list[str]) -> LabelGrammar:
    verbs = _split_verbs(form, words)
    activity = " and ".join(verb.said(gerund(verb.base)) for verb in verbs)
    wordless = form is LabelForm.ACTIVITY and not verbs[-1].rest
    speechless = (
        form is LabelForm.COMMAND and verbs[-1].base in OBJECTLESS and not _has_object(verbs[-1])
    )
    return LabelGrammar(
        form=form,
        phrase=text,
        noun=activity,
        noun_plural=len(verbs) > 1 and not verbs[-1].rest,
        active=None
        if speechless or wordless
        else " and ".join(verb.said(third_person(verb.base)) for verb in verbs),
        progressive=None if speechless else activity,
        passive=_passive(verbs),
    )


def _split_verbs(form: LabelForm, words: list[str]) -> list[_Verb]:
    """Cut a label at its verbs: the first word, and those after `and`."""
    bases = {verb: verb for verb in VERBS} if form is LabelForm.COMMAND else GERUNDS
    starts = [0]
    for position, (before, word) in enumerate(pairwise(words), start=1):
        if before == "and" and word.lower() in bases:
            starts.append(position)
    verbs = []
    for start, end in zip(starts, [*(s - 1 for s in starts[1:]), len(words)], strict=True):
        base, rest = bases[words[start].lower()], words[start + 1 : end]
        particle = ""
        if rest and (base, rest[0]) in PHRASAL:
            particle, rest = rest[0], rest[1:]
        verbs.append(_Verb(base, particle, tuple(rest)))
    return verbs


def _has_object(verb: _Verb) -> bool:
    return bool(verb.rest) and (bool(verb.particle) or verb.rest[0] not in PREPOSITIONS)


def _passive(verbs: list[_Verb]) -> Passive | None:
    """Clauses about the object; None without one object that all verbs share."""
    last = verbs[-1]
    if any(verb.rest or verb.particle for verb in verbs[:-1]) or not _has_object(last):
        return None
    if last.base in NO_PASSIVE or any(word in _JOINING_GERUNDS for word in last.rest):
        return None
    cut = next((i for i, word in enumerate(last.rest) if word in _MOVING_TAIL), len(last.rest))
    bare, tail = last.rest[:cut], last.rest[cut:]
    subject = with_articles(bare, indefinite_object=last.base in INDEFINITE_VERBS)
    done = " and ".join(participle(verb.base) for verb in verbs)
    are = be(" ".join(bare))
    rest = " ".join(part for part in (done, last.particle, with_articles(tail)) if part)
    return Passive(f"{subject} {are} {rest}", f"{subject} {are} being {rest}")


def procedure_phrase(name: str) -> str:
    """A whole procedure's name as a noun phrase with its article.

    >>> procedure_phrase("Perineal Care"), procedure_phrase("Change Wound Dressings")
    ('the perineal care procedure', 'the procedure of changing wound dressings')
    >>> procedure_phrase("Infusion by Pump")
    'the procedure of infusion by pump'
    """
    grammar = read_label(name)
    if grammar.active is not None:
        return f"the procedure of {grammar.noun}"
    words = grammar.phrase.split()
    if has_determiner(grammar.phrase):
        return grammar.phrase
    if any(word in PREPOSITIONS for word in words):
        return f"the procedure of {grammar.phrase}"
    named = words[-1] in {"procedure", "surgery", "operation"}
    return f"the {grammar.phrase}" if named else f"the {grammar.phrase} procedure"


@lru_cache(maxsize=CACHED_PHRASES)
def phase_phrase(name: str) -> str:
    """A phase's name as a noun phrase with its article.

    >>> phase_phrase("gallbladder packaging"), phase_phrase("Calot's triangle dissection")
    ('the gallbladder packaging phase', "the phase of Calot's triangle dissection")
    """
    text = plain(name)
    if text.split()[-1] == "phase":
        return definite(text)
    if has_determiner(text) or text.split()[0].endswith(("'s", "’s")):
        return f"the phase of {text}"
    return f"the {text} phase"


def with_articles(words: tuple[str, ...], *, indefinite_object: bool = False) -> str:
    """Give the noun phrases of a label the articles that labels leave out.

    Args:
        words: Words after the verb.
        indefinite_object: The first noun phrase comes into being and takes `a`.

    >>> with_articles(("needle", "with", "right", "hand"))
    'the needle with the right hand'
    >>> with_articles(("surgical", "hand", "scrub"), indefinite_object=True)
    'a surgical hand scrub'
    """
    said: list[str] = []
    chunk: list[str] = []
    after = ""
    for word in words:
        infinitive = word.lower() in VERBS or word == "help"
        if word in PREPOSITIONS or word in _JOINING_GERUNDS or (after == "to" and infinitive):
            said.extend(_close(chunk, after, indefinite_object and not said))
            said.append(word)
            chunk, after = [], "" if word in VERBS else "to" if word == "help" else word
        else:
            chunk.append(word)
    said.extend(_close(chunk, after, indefinite_object and not said))
    return " ".join(said)


def _close(chunk: list[str], after: str, indefinite_object: bool) -> list[str]:
    """One noun phrase with its article, as words; nothing for an empty one."""
    if not chunk:
        return []
    phrase = " ".join(chunk)
    head = head_noun(phrase)
    if has_determiner(phrase) or (after and phrase in BARE_AFTER_PREPOSITION):
        return [phrase]
    if head in MASS or (is_plural(phrase) and _open_plural(chunk, head)):
        return [phrase]
    return [indefinite(phrase) if indefinite_object else definite(phrase)]


def _open_plural(chunk: list[str], head: str) -> bool:
    return (
        "and" not in chunk
        and head not in DEFINITE_PLURALS
        and head.endswith("s")
        and (head not in {"forceps", "scissors", "tweezers"})
    )
