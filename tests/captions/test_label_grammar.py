"""Labels read as English: commands, activities, names, and what cannot be read."""

import csv
from pathlib import Path

import pytest

from medvid.captions.label_grammar import (
    LabelForm,
    phase_phrase,
    procedure_phrase,
    read_label,
    with_articles,
)

_TABLE = Path(__file__).with_name("nursing_labels.tsv").read_text(encoding="utf-8")
NURSING = [tuple(row) for row in csv.reader(_TABLE.splitlines(), delimiter="\t")][1:]
"""The 174 names of NurViD's 177 actions, as published, and how each was judged to read well."""


@pytest.mark.parametrize(("label", "active", "noun", "passive"), NURSING)
def test_nursing_actions_read_well(label: str, active: str, noun: str, passive: str) -> None:
    grammar = read_label(label)
    assert grammar.noun == noun
    assert grammar.active == (None if active == "-" else active)
    assert (grammar.passive.now if grammar.passive else "-") == passive
    assert grammar.form is not LabelForm.OPAQUE


def test_the_nursing_table_is_whole() -> None:
    assert len({row[0] for row in NURSING}) == 174


@pytest.mark.parametrize(
    ("label", "active", "noun"),
    [
        ("reaching for needle with right hand", "reaches for the needle with the right hand",
         "reaching for the needle with the right hand"),
        ("positioning needle", "positions the needle", "positioning the needle"),
        ("pushing needle through tissue", "pushes the needle through tissue",
         "pushing the needle through tissue"),
        ("transferring needle from left to right", "transfers the needle from left to right",
         "transferring the needle from left to right"),
        ("moving to center with needle in grip", "moves to the center with the needle in grip",
         "moving to the center with the needle in grip"),
        ("pulling suture with left hand", "pulls the suture with the left hand",
         "pulling the suture with the left hand"),
        ("orienting needle", "orients the needle", "orienting the needle"),
        ("using right hand to help tighten suture",
         "uses the right hand to help tighten the suture",
         "using the right hand to help tighten the suture"),
        ("loosening more suture", "loosens more suture", "loosening more suture"),
        ("dropping suture at end and moving to end points",
         "drops the suture at the end and moves to the end points",
         "dropping the suture at the end and moving to the end points"),
        ("making C loop around right hand", "makes a C loop around the right hand",
         "making a C loop around the right hand"),
        ("pulling suture with both hands", "pulls the suture with both hands",
         "pulling the suture with both hands"),
        ("adjust camera", "adjusts the camera", "adjusting the camera"),
        ("position flap with forceps and knife", "positions the flap with the forceps and knife",
         "positioning the flap with the forceps and knife"),
        ("dissect flap tissue with knife", "dissects flap tissue with the knife",
         "dissecting flap tissue with the knife"),
        ("position flap with forceps only", "positions the flap with the forceps only",
         "positioning the flap with the forceps only"),
        ("retract flap edge with forceps only", "retracts the flap edge with the forceps only",
         "retracting the flap edge with the forceps only"),
        ("retract flap edge with forceps and knife",
         "retracts the flap edge with the forceps and knife",
         "retracting the flap edge with the forceps and knife"),
        ("lift flap with forceps", "lifts the flap with the forceps",
         "lifting the flap with the forceps"),
        ("stabilize flap with forceps", "stabilizes the flap with the forceps",
         "stabilizing the flap with the forceps"),
    ],
)  # fmt: skip
def test_gestures_and_actions_of_other_sources_read_well(
    label: str, active: str, noun: str
) -> None:
    grammar = read_label(label)
    assert (grammar.active, grammar.noun) == (active, noun)


@pytest.mark.parametrize("label", ["cutting", "tying", "suturing"])
def test_bare_activities_are_said_in_the_progressive(label: str) -> None:
    grammar = read_label(label)
    assert (grammar.active, grammar.progressive, grammar.noun) == (None, label, label)


@pytest.mark.parametrize(
    ("label", "phrase"),
    [
        ("preparation", "the preparation phase"),
        ("clipping and cutting", "the clipping and cutting phase"),
        ("Calot's triangle dissection", "the phase of Calot's triangle dissection"),
        ("incision", "the incision phase"), ("hemostasis", "the hemostasis phase"),
        ("Dissection Phase", "the dissection phase"),
    ],
)  # fmt: skip
def test_phases_are_names(label: str, phrase: str) -> None:
    assert phase_phrase(label) == phrase
    assert read_label(label, is_name=True).form is LabelForm.NOUN


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("Nasogastric Tube", "the nasogastric tube procedure"),
        ("Infusion by Pump", "the procedure of infusion by pump"),
        ("Transfer with Stretcher", "the procedure of transfer with stretcher"),
        ("Change a Two-Piece Pouching System",
         "the procedure of changing a two-piece pouching system"),
        ("Donning and Doffing Isolation Gowns",
         "the procedure of donning and doffing isolation gowns"),
        ("thyroid surgery", "the thyroid surgery"),
    ],
)  # fmt: skip
def test_procedures_become_noun_phrases(name: str, phrase: str) -> None:
    assert procedure_phrase(name) == phrase


def test_what_cannot_be_read_is_quoted() -> None:
    grammar = read_label("Frobnicate the kit")
    assert grammar.form is LabelForm.OPAQUE
    assert grammar.noun == '"frobnicate the kit"'
    assert (grammar.active, grammar.passive) == (None, None)


def test_a_noun_of_a_verb_is_no_command() -> None:
    grammar = read_label("Transfer of patient")
    assert (grammar.form, grammar.noun) == (LabelForm.NOUN, "a transfer of patient")
    assert grammar.active is None


def test_articles_are_added_to_noun_phrases_alone() -> None:
    assert with_articles(("flap", "with", "forceps", "and", "knife")) == (
        "the flap with the forceps and knife"
    )
    assert with_articles(()) == ""
