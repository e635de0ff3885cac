"""A correction's id names what it says, whatever it was copied from."""

from schemas.correction import Correction, CorrectionKind

PHASE = {"kind": "phase", "label": "preparation", "start": 0, "end": 7}
SAID = Correction(
    kind=CorrectionKind.SEGMENT, source="copesd", video_id="v", base_revision="0" * 64,
    before=PHASE | {"end": 5}, after=PHASE, who="eve",
    when="2026-01-02T03:04:05Z", tool="test", task_id="t", annotation_id="a", reason="",
)  # fmt: skip


def test_a_changed_copy_has_an_id_of_its_own() -> None:
    first = SAID.correction_id
    undone = SAID.model_copy(update={"before": SAID.after, "after": SAID.before})
    assert undone.correction_id != first
    assert undone.correction_id == Correction.model_validate(undone.model_dump()).correction_id
    assert SAID.model_copy().correction_id == first
