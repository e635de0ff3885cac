"""Motion sentences: the closed set of phrases, and the action each one means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.submucosal_motion import (
    ACTION_OF,
    ACTIONS,
    GOAL_OF,
    WORDS,
    Deed,
    Goal,
    MotionError,
    parse_goal,
    parse_motion,
    triplet_of,
)
from converters.submucosal_words import VOCABULARIES


@pytest.mark.parametrize(
    ("sentence", "action", "forceps", "knife"),
    [
        ("Keep up countertraction by the Forceps, dissecting the tissue down with the Knife.",
         "dissect flap tissue with knife", Deed.TENSION, Deed.DISSECT),
        ("Consistently lift the flap by the Forceps and conduct left dissection with the Knife.",
         "dissect flap tissue with knife", Deed.TENSION, Deed.DISSECT),
        ("Dissect the flap to the lower left with the Knife.",
         "dissect flap tissue with knife", None, Deed.DISSECT),
        ("Raise the mucosa flap up by the Forceps; the Knife stays idle.",
         "lift flap with forceps", Deed.LIFT, Deed.IDLE),
        ("Draw up the flap with the Forceps without changing the Knife's position.",
         "lift flap with forceps", Deed.LIFT, Deed.IDLE),
        ("Advance the Forceps to the flap's edge, leaving the Knife in its original position.",
         "position flap with forceps only", Deed.APPROACH, Deed.IDLE),
        ("Revolve the Forceps as the Knife is at rest.",
         "position flap with forceps only", Deed.ROTATE, Deed.IDLE),
        ("Take hold of the border of the flap by the Forceps while the Knife is stationary.",
         "retract flap edge with forceps only", Deed.GRASP, Deed.IDLE),
        ("Guide the Forceps to the border while moving the Knife to the flap edge.",
         "position flap with forceps and knife", Deed.APPROACH, Deed.APPROACH),
        ("Grab the flap edge with the Forceps and guide the Knife to the margin.",
         "retract flap edge with forceps and knife", Deed.GRASP, Deed.APPROACH),
        ("Shift the Forceps to the edge and the Knife lifts the flap to the upper left.",
         "retract flap edge with forceps and knife", Deed.APPROACH, Deed.LIFT),
        ("The Knife raises the mucosal flap.",
         "retract flap edge with forceps and knife", None, Deed.LIFT),
        ("Surgical Finished! The Forceps keep holding the flap, while the Knife remains idle.",
         "stabilize flap with forceps", Deed.HOLD, Deed.IDLE),
        ("While the Knife is idle, lift the flap by the Forceps.",
         "lift flap with forceps", Deed.LIFT, Deed.IDLE),
    ],
)  # fmt: skip
def test_a_sentence_means_one_action(
    sentence: str, action: str, forceps: Deed | None, knife: Deed | None
) -> None:
    motion = parse_motion(sentence)
    assert motion.action == action
    assert (motion.deeds.get("forceps"), motion.deeds.get("knife")) == (forceps, knife)


def test_a_clouded_view_is_an_adjustment_of_the_camera() -> None:
    motion = parse_motion("Scenes are confusing! Clean the camera; Forceps and Knife stay idle.")
    assert motion == ("adjust camera", {})


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("", "unknown_phrase"),
        ("Lift the flap.", "unknown_phrase"),
        ("The Forceps and the Knife.", "unknown_phrase"),
        ("Lift the flap with the Forceps and burn it with the Knife.", "unknown_phrase"),
        ("Lift the flap with the Forceps while the Forceps are idle.", "unknown_phrase"),
        ("Lift and dissect the flap with the Knife.", "unknown_phrase"),
        ("Lift the flap with the Forceps [0.1", "unknown_phrase"),
        ("Lіft the flap with the Forceps, the Knife is idle.", "unknown_phrase"),
        ("Keep the Forceps idle while the Knife is idle.", "motion_without_action"),
        ("Hold the flap by the Forceps while moving the Knife to its edge.",
         "motion_without_action"),
        ("Surgical Finished! Lift the flap by the Forceps; the Knife is idle.",
         "motion_without_action"),
    ],
)  # fmt: skip
def test_other_sentences_are_refused(sentence: str, reason: str) -> None:
    with pytest.raises(MotionError) as caught:
        parse_motion(sentence)
    assert caught.value.reason == reason
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("instruction", "goal"),
    [
        ("Dissect along the flap with the Knife.", Goal.DISSECT),
        ("Pull the flap backwards using the Forceps.", Goal.RETRACT),
        ("Retract the flap with both Forceps and Knife.", Goal.RETRACT_TOGETHER),
        ("Keep a steady grip with the Forceps.", Goal.HOLD),
        ("Refine the zoom of the camera.", Goal.CAMERA),
        ("Dissect with the Forceps.", None),
        ("Retract the Knife.", None),
        ("Sing.", None),
        ("", None),
    ],
)
def test_an_instruction_has_one_goal(instruction: str, goal: Goal | None) -> None:
    assert parse_goal(instruction) is goal


def test_every_published_action_can_be_met_and_has_a_goal() -> None:
    assert {*ACTION_OF.values(), "adjust camera"} == set(ACTIONS) == set(GOAL_OF)
    assert VOCABULARIES["action"].labels == ACTIONS
    assert len(ACTIONS) == 8


def test_older_names_lead_to_the_published_ones() -> None:
    action = VOCABULARIES["action"]
    assert action.label("hold flap with forceps") == "stabilize flap with forceps"
    assert action.label("manipulate flap with forceps") == "position flap with forceps only"
    old = "retracting mucosa flap with forceps and knife"
    assert action.label(old) == "retract flap edge with forceps and knife"
    assert VOCABULARIES["instrument"].label("Forceps") == "forceps"


@pytest.mark.parametrize("instrument", ["forceps", "knife"])
@pytest.mark.parametrize("deed", list(Deed))
def test_triplets_are_in_the_vocabularies(instrument: str, deed: Deed) -> None:
    triplet = triplet_of(instrument, deed)
    assert triplet.instrument in VOCABULARIES["instrument"].labels
    assert triplet.verb in VOCABULARIES["verb"].labels
    assert triplet.target is None or triplet.target in VOCABULARIES["target"].labels


def test_words_are_single_and_lower_case() -> None:
    assert all(word.isascii() and word.isalpha() and word.islower() for word in WORDS)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*sorted(WORDS), "burn", "Forceps", "Knife", ","]), max_size=14))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    text = " ".join(words)
    parse_goal(text)
    try:
        motion = parse_motion(text)
    except MotionError:
        return
    assert "burn" not in words
    assert motion.action in ACTIONS
    named = {word.lower() for word in words} & {"forceps", "knife"}
    assert set(motion.deeds) == (set() if motion.action == "adjust camera" else named)
