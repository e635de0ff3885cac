"""English word forms: verbs inflected, nouns counted, articles chosen."""

import re
from functools import lru_cache
from typing import Final

from medvid.captions.lexicon import (
    DETERMINERS,
    DOUBLING,
    IRREGULAR_PARTICIPLES,
    PLURALS,
    PREPOSITIONS,
    PROPER,
    SINGULAR_S,
    VERBS,
)

CACHED_PHRASES: Final = 4096
"""Distinct phrases remembered a process; vocabularies hold a few hundred."""

_VOWELS: Final = "aeiou"
_ONE_SYLLABLE = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")
_LIKE_YOU = re.compile(r"(?:u(?:ni|r[aeio]|s[aeiu]|t[aei])|eu|one\b|once\b)")
_SPELLED_VOWELS: Final = "AEFHILMNORSX"
_SPOKEN_ACRONYMS: Final = frozenset({"PICC", "LASER", "MIST", "RAM", "NICU", "SIM"})
_ADJECTIVE = re.compile(r".*(?:al|ic|ous|ive|ed|ior)")


def third_person(verb: str) -> str:
    """Inflect a base verb for `the clinician`.

    >>> third_person("dry"), third_person("wash"), third_person("cut")
    ('dries', 'washes', 'cuts')
    """
    if len(verb) > 1 and verb[-1] == "y" and verb[-2] not in _VOWELS:
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else f"{verb}s"


def gerund(verb: str) -> str:
    """Inflect a base verb to -ing.

    >>> gerund("tie"), gerund("dispose"), gerund("clip"), gerund("transfer")
    ('tying', 'disposing', 'clipping', 'transferring')
    """
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{verb[:-1]}ing"
    return f"{_doubled(verb)}ing"


def participle(verb: str) -> str:
    """Inflect a base verb to its past participle.

    >>> participle("dry"), participle("withdraw"), participle("clip"), participle("dissect")
    ('dried', 'withdrawn', 'clipped', 'dissected')
    """
    if verb in IRREGULAR_PARTICIPLES:
        return IRREGULAR_PARTICIPLES[verb]
    if verb.endswith("e"):
        return f"{verb}d"
    if len(verb) > 1 and verb[-1] == "y" and verb[-2] not in _VOWELS:
        return f"{verb[:-1]}ied"
    return f"{_doubled(verb)}ed"


def _doubled(verb: str) -> str:
    doubles = verb in DOUBLING or _ONE_SYLLABLE.fullmatch(verb)
    return verb + verb[-1] if doubles else verb


GERUNDS: Final = {gerund(verb): verb for verb in sorted(VERBS)}
"""Base verb of each known -ing form."""


@lru_cache(maxsize=CACHED_PHRASES)
def inflections(word: str) -> frozenset[str]:
    """All forms of a word that say no more than the word itself, lower-case."""
    word = word.lower()
    base = GERUNDS.get(word, word)
    return frozenset({word, base, third_person(base), gerund(base), participle(base)})


@lru_cache(maxsize=CACHED_PHRASES)
def plain(phrase: str) -> str:
    """Write a label's phrase as it stands inside a sentence.

    White space is single, closing punctuation gone, and words lose their capital unless they are
    acronyms, single letters or names.

    >>> plain("Bipolar Forceps"), plain("PICC  insertion."), plain("calot's triangle")
    ('bipolar forceps', 'PICC insertion', "Calot's triangle")
    """
    words = phrase.split()
    said = " ".join(_plain_word(word, first=position == 0) for position, word in enumerate(words))
    return said.rstrip(".,;:!? ") or "unnamed"


def _plain_word(word: str, *, first: bool) -> str:
    letters = [letter for letter in word if letter.isalpha()]
    if letters and all(letter.isupper() for letter in letters) and (len(letters) > 1 or not first):
        return word
    lowered = word.lower()
    name = lowered.removesuffix("'s").removesuffix("’s")
    return PROPER[name] + lowered[len(name) :] if name in PROPER else lowered


def head_noun(phrase: str) -> str:
    """The noun that a noun phrase is about: its last word before a preposition."""
    head = ""
    for word in phrase.split():
        if head and word in PREPOSITIONS:
            break
        if word != "only" and not word.startswith("("):
            head = word
    return head


@lru_cache(maxsize=CACHED_PHRASES)
def is_plural(phrase: str) -> bool:
    """Whether a noun phrase takes a plural verb.

    >>> is_plural("scissors"), is_plural("outer surfaces of the teeth"), is_plural("hemostasis")
    (True, True, False)
    >>> is_plural("chest and abdomen"), is_plural("nasal and oral suction")
    (True, False)
    """
    words = phrase.split()
    if "and" in words[1:-1]:
        before = words[words.index("and", 1) - 1]
        if not _ADJECTIVE.fullmatch(before):
            return True
    head = head_noun(phrase).lower()
    if head in PLURALS:
        return True
    return head.endswith("s") and not head.endswith(("ss", "us", "is")) and head not in SINGULAR_S


def be(phrase: str) -> str:
    """`are` after a plural noun phrase, else `is`."""
    return "are" if is_plural(phrase) else "is"


def agree(phrase: str, verb: str) -> str:
    """A base verb inflected for a noun phrase.

    >>> agree("scissors", "cut"), agree("hook", "dissect")
    ('cut', 'dissects')
    """
    return verb if is_plural(phrase) else third_person(verb)


@lru_cache(maxsize=CACHED_PHRASES)
def indefinite(phrase: str) -> str:
    """A noun phrase with `a` or `an`, or bare where it is plural.

    >>> indefinite("urinary catheter"), indefinite("ECG lead"), indefinite("scissors")
    ('a urinary catheter', 'an ECG lead', 'scissors')
    """
    if is_plural(phrase) or has_determiner(phrase):
        return phrase
    return f"{article(phrase)} {phrase}"


def article(phrase: str) -> str:
    """`an` before a vowel sound, else `a`."""
    first = re.split(r"[\s-]", phrase.lstrip("(\"'"), maxsplit=1)[0]
    if first.isupper() and (len(first) == 1 or first not in _SPOKEN_ACRONYMS):
        return "an" if first[0] in _SPELLED_VOWELS else "a"
    lowered = first.lower()
    if lowered.startswith(("hour", "honest", "heir", "8", "11", "18")):
        return "an"
    vowel = lowered[:1] in set(_VOWELS) and not _LIKE_YOU.match(lowered)
    return "an" if vowel else "a"


@lru_cache(maxsize=CACHED_PHRASES)
def definite(phrase: str) -> str:
    """A noun phrase with `the`, unless it brings a determiner of its own.

    >>> definite("hook"), definite("the surgeon's left hand")
    ('the hook', "the surgeon's left hand")
    """
    return phrase if has_determiner(phrase) else f"the {phrase}"


def has_determiner(phrase: str) -> bool:
    """Whether a noun phrase opens with an article, a number word or the like."""
    return phrase.split(" ", 1)[0].lower() in DETERMINERS


def sentence(text: str) -> str:
    """Close a sentence: capital first letter and full stop.

    >>> sentence("the hook is idle"), sentence("3-way stopcock is turned")
    ('The hook is idle.', 'Here, 3-way stopcock is turned.')
    """
    if not text[:1].isalpha() or text[0].upper() == text[0].lower():
        text = f"here, {text}"
    return f"{text[0].upper()}{text[1:]}."


def listed(items: list[str]) -> str:
    """Join phrases with commas and `and`.

    >>> listed(["a", "b", "c"]), listed(["a", "b"])
    ('a, b and c', 'a and b')
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
