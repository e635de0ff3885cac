"""NurViD's class lists as published, and how running text words them."""

from converters.nursing import ACTIONS, CANDIDATE_ACTIONS, PROCEDURES, SHARED_NAMES, VOCABULARIES


def test_class_lists_are_whole() -> None:
    assert (len(PROCEDURES), len(set(PROCEDURES)), len(ACTIONS)) == (51, 51, 177)
    assert len(VOCABULARIES["action"].labels) == 174
    assert {
        "Remove isolation gown",
        "Defibrillate",
        "Cleanse inner surfaces of teeth",
    } == SHARED_NAMES
    assert tuple(CANDIDATE_ACTIONS) == PROCEDURES
    for labels in CANDIDATE_ACTIONS.values():
        assert labels
        assert set(labels) <= set(ACTIONS)
        assert len(set(labels)) == len(labels)


def test_running_text_repairs_what_labels_must_keep() -> None:
    action = VOCABULARIES["action"]
    assert "Spread the proximal bedshee" in action.labels
    assert action.phrase("Spread the proximal bedshee") == "spread the proximal bedsheet"
    assert action.phrase("PICC insertion") == "PICC insertion"
    assert action.phrase("Save electrocardiogram (ECG) results").endswith("(ECG) results")
    assert "maintenance" in VOCABULARIES["procedure"].phrase(PROCEDURES[42])
