"""Units of work: skipped when done, retried when the machine failed, isolated from neighbours."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from medvid.releases.units import LocalExecutor, Outcome, Unit, run_stage
from medvid.releases.workspace import Workspace


class Heard:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, int]] = []

    def start(self, stage: str, total: int, done: int) -> None:
        self.events.append(("start", stage, total - done))

    def advance(self, stage: str, outcome: Outcome) -> None:
        self.events.append(("unit", outcome.unit.name, outcome.record is not None))

    def finish(self, stage: str, seconds: float) -> None:
        self.events.append(("finish", stage, 0))


def write_unit(work: Path, payload: str) -> dict[str, Any]:
    (work / "out.txt").write_text(payload)
    return {"length": len(payload)}


def crash_unit(work: Path, payload: str) -> dict[str, Any]:
    os._exit(7)


def hang_unit(work: Path, payload: str) -> dict[str, Any]:
    time.sleep(60)
    return {}


def crash_once_unit(work: Path, payload: str) -> dict[str, Any]:
    mark = Path(payload)
    if not mark.exists():
        mark.write_text("seen")
        os._exit(9)
    return {"tries": 2}


def wrong_unit(work: Path, payload: str) -> dict[str, Any]:
    raise ValueError(payload)


def units(n: int, **changes: Any) -> list[Unit]:
    return [
        Unit("s", f"v{i}", f"key{i}", write_unit, f"text{i}", 30.0, **changes) for i in range(n)
    ]


def test_second_run_does_nothing(workspace: Workspace) -> None:
    heard = Heard()
    for expected in (5, 0):
        outcomes = run_stage(workspace, "s", units(5), LocalExecutor(2), heard, batch_size=2)
        assert list(outcomes) == [f"v{i}" for i in range(5)]
        assert all(o.record and o.record.info == {"length": 5} for o in outcomes.values())
        starts = [event for event in heard.events if event[0] == "start"]
        assert starts[-1] == ("start", "s", expected)


def test_changed_key_runs_again(workspace: Workspace) -> None:
    run_stage(workspace, "s", units(2), LocalExecutor(1), Heard())
    changed = [units(2)[0], Unit("s", "v1", "other", write_unit, "longer text", 30.0)]
    heard = Heard()
    run_stage(workspace, "s", changed, LocalExecutor(1), heard)
    assert [e for e in heard.events if e[0] == "unit"] == [("unit", "v1", 1)]
    assert workspace.ledger.keys_of("s", "v1") == ["key1", "other"]


@pytest.mark.parametrize(("function", "failure"), [(crash_unit, "crashed"), (hang_unit, "timeout")])
def test_a_failing_unit_costs_its_batch_nothing(
    workspace: Workspace,
    function: Any,
    failure: str,
) -> None:
    bad = Unit("s", "bad", "bad", function, "", 1.0)
    batch = [units(1)[0], bad, Unit("s", "v9", "key9", write_unit, "fine", 30.0)]
    if failure == "timeout":
        batch = [bad]
    outcomes = run_stage(workspace, "s", batch, LocalExecutor(1), Heard(), batch_size=3)
    assert outcomes["bad"].record is None
    assert outcomes["bad"].failure == failure
    assert all(outcomes[u.name].record for u in batch if u.name != "bad")
    assert "bad" not in workspace.finished(["bad"]), "a machine's failure is no verdict"


def test_a_machine_that_fails_once_is_forgiven(workspace: Workspace, tmp_path: Path) -> None:
    unit = Unit("s", "v", "k", crash_once_unit, str(tmp_path / "mark"), 30.0)
    outcomes = run_stage(workspace, "s", [unit], LocalExecutor(1), Heard())
    assert outcomes["v"].record is not None
    assert outcomes["v"].record.info == {"tries": 2}


def test_a_programming_error_stops_the_build(workspace: Workspace) -> None:
    unit = Unit("s", "v", "k", wrong_unit, "bug", 30.0)
    with pytest.raises(ValueError, match="bug"):
        run_stage(workspace, "s", [unit], LocalExecutor(2), Heard())


def test_work_finished_but_not_recorded_is_adopted(workspace: Workspace) -> None:
    run_stage(workspace, "s", units(1), LocalExecutor(1), Heard())
    workspace.ledger.forget(["key0"])
    heard = Heard()
    run_stage(workspace, "s", units(1), LocalExecutor(1), heard)
    assert ("start", "s", 0) in heard.events
