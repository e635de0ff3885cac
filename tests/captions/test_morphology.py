"""Word forms: verbs, plurals, articles, sentences."""

import pytest

from medvid.captions.morphology import (
    agree,
    article,
    be,
    definite,
    gerund,
    head_noun,
    indefinite,
    inflections,
    is_plural,
    listed,
    participle,
    plain,
    sentence,
    third_person,
)

VERB_FORMS = (
    ("retract", "retracts", "retracting", "retracted"),
    ("clip", "clips", "clipping", "clipped"),
    ("cut", "cuts", "cutting", "cut"),
    ("coagulate", "coagulates", "coagulating", "coagulated"),
    ("aspirate", "aspirates", "aspirating", "aspirated"),
    ("irrigate", "irrigates", "irrigating", "irrigated"),
    ("pack", "packs", "packing", "packed"),
    ("grasp", "grasps", "grasping", "grasped"),
    ("dissect", "dissects", "dissecting", "dissected"),
    ("dry", "dries", "drying", "dried"),
    ("spray", "sprays", "spraying", "sprayed"),
    ("tie", "ties", "tying", "tied"),
    ("put", "puts", "putting", "put"),
    ("trim", "trims", "trimming", "trimmed"),
    ("open", "opens", "opening", "opened"),
    ("loosen", "loosens", "loosening", "loosened"),
    ("flush", "flushes", "flushing", "flushed"),
    ("mix", "mixes", "mixing", "mixed"),
    ("withdraw", "withdraws", "withdrawing", "withdrawn"),
    ("transfer", "transfers", "transferring", "transferred"),
    ("take", "takes", "taking", "taken"),
    ("soak", "soaks", "soaking", "soaked"),
    ("comb", "combs", "combing", "combed"),
    ("free", "frees", "freeing", "freed"),
)


@pytest.mark.parametrize(("verb", "third", "going", "done"), VERB_FORMS)
def test_verbs_inflect(verb: str, third: str, going: str, done: str) -> None:
    assert (third_person(verb), gerund(verb), participle(verb)) == (third, going, done)


@pytest.mark.parametrize(
    ("phrase", "plural"),
    [
        ("scissors", True), ("bipolar forceps", True), ("tweezers", True), ("hook", False),
        ("specimen bag", False), ("needle holders", True), ("gauze", False), ("pancreas", False),
        ("abscess", False), ("meatus", False), ("hemostasis", False), ("feet", True),
        ("outer surfaces of the teeth", True), ("position of the feet", False),
        ("length of the scissors", False), ("chest and abdomen", True),
        ("nasal and oral suction", False), ("clipping and cutting", True),
        ("electrocardiogram (ECG)", False), ("forceps only", True),
    ],
)  # fmt: skip
def test_plural_noun_phrases_are_told_apart(phrase: str, plural: bool) -> None:
    assert is_plural(phrase) is plural
    assert be(phrase) == ("are" if plural else "is")
    assert agree(phrase, "cut") == ("cut" if plural else "cuts")


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("hook", "a"), ("irrigator", "an"), ("urinary catheter", "a"), ("underpad", "an"),
        ("ulcer", "an"), ("uterus", "a"), ("unit", "a"), ("ECG lead", "an"), ("PICC line", "a"),
        ("MRI scan", "an"), ("hour", "an"), ("one-piece system", "a"), ("C loop", "a"),
        ("IV line", "an"), ("8-Fr tube", "an"), ("European catheter", "a"), ("used gown", "a"),
    ],
)  # fmt: skip
def test_articles_follow_the_sound(phrase: str, expected: str) -> None:
    assert article(phrase) == expected


def test_determiners_and_plurals_take_no_further_article() -> None:
    assert definite("the left hand") == "the left hand"
    assert indefinite("a vein") == "a vein"
    assert indefinite("scissors") == "scissors"
    assert indefinite("irrigator") == "an irrigator"


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("Needle Holders", "needle holders"), ("Suction  Cannula\n", "suction cannula"),
        ("PICC insertion", "PICC insertion"), ("C loop", "c loop"), ("a C loop", "a C loop"),
        ("calot's triangle", "Calot's triangle"), ("modified seldinger", "modified Seldinger"),
        ("Check.", "check"), ("WIth", "with"), (" \t", "unnamed"), ("...", "unnamed"),
    ],
)  # fmt: skip
def test_labels_lose_capitals_but_not_names_and_acronyms(label: str, said: str) -> None:
    assert plain(label) == said


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("the hook is idle", "The hook is idle."), ("éclat is shown", "Éclat is shown."),
        ('"x" is shown', 'Here, "x" is shown.'), ("3-way tap", "Here, 3-way tap."),
        ("缝合 is shown", "Here, 缝合 is shown."),
    ],
)  # fmt: skip
def test_sentences_open_with_a_capital_letter(text: str, closed: str) -> None:
    assert sentence(text) == closed


def test_inflections_hold_the_forms_of_one_word_only() -> None:
    assert {"clip", "clips", "clipping", "clipped"} <= inflections("Clipping")
    assert "cut" not in inflections("clip")


def test_head_noun_ends_before_a_preposition() -> None:
    assert head_noun("position of the gastric tube in the stomach") == "position"
    assert head_noun("electrocardiogram (ECG)") == "electrocardiogram"


def test_lists_read_naturally() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
