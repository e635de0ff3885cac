"""The log keeps every correction once, in order, and notices when it was touched."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotation.log import CorrectionLog
from schemas.correction import Correction, CorrectionKind
from schemas.errors import CorrectionError


def _correction(number: int, video: str = "VID01") -> Correction:
    return Correction(
        who="ada", when="2026-01-01T10:00:00Z", tool="test", task_id=f"t{number}",
        source="cholect50", video_id=video, base_revision="r", kind=CorrectionKind.SEGMENT,
        before=None, reason="Grüße 三",
        after={"start": number, "end": number + 1, "kind": "phase", "label": "cut"},
    )  # fmt: skip


def test_what_was_appended_comes_back_in_order(tmp_path: Path) -> None:
    log = CorrectionLog(tmp_path / "corrections")
    assert log.head() is None
    assert list(log) == []
    assert log.append([_correction(2), _correction(1)]) == 2
    first = log.head()
    assert log.append([_correction(3, "VID02")]) == 1
    assert [c.task_id for c in log] == ["t2", "t1", "t3"]
    assert [c.task_id for c in log.of_video("cholect50", "VID02")] == ["t3"]
    assert log.head() != first


def test_the_same_pull_twice_writes_nothing(tmp_path: Path) -> None:
    log = CorrectionLog(tmp_path)
    log.append([_correction(1), _correction(1)])
    head = log.head()
    assert log.append([_correction(1)]) == 0
    assert (log.head(), len(list(log))) == (head, 1)


def test_a_kill_before_the_rename_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    log = CorrectionLog(tmp_path)
    log.append([_correction(1)])
    (tmp_path / ".000002-00.jsonl.partial").write_bytes(b'{"torn')
    assert len(list(log)) == 1
    assert log.append([_correction(2)]) == 1
    assert not list(tmp_path.glob(".*.partial"))


def test_two_pulls_at_once_lose_nothing(tmp_path: Path) -> None:
    log = CorrectionLog(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda n: log.append([_correction(n), _correction(0)]), range(12)))
    assert sum(counts) == 12
    assert sorted(c.task_id for c in log) == sorted(f"t{n}" for n in range(12))


@pytest.mark.parametrize("damage", ["edited", "lost", "reordered", "version"])
def test_a_touched_log_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    log = CorrectionLog(tmp_path)
    for number in range(3):
        log.append([_correction(number)])
    parts = sorted(tmp_path.glob("*.jsonl"))
    if damage == "edited":
        parts[1].write_bytes(parts[1].read_bytes().replace(b'"cut"', b'"tie"'))
    elif damage == "lost":
        parts[1].unlink()
    elif damage == "reordered":
        a, b = parts[1], parts[2]
        a.rename(tmp_path / f"000003-{a.name[7:]}")
        b.rename(tmp_path / f"000002-{b.name[7:]}")
    else:
        lines = parts[0].read_bytes().split(b"\n")
        header = json.loads(lines[0]) | {"schema_version": 99}
        parts[0].write_bytes(b"\n".join([json.dumps(header).encode(), *lines[1:]]))
    with pytest.raises(CorrectionError, match="Restore the log"):
        list(log)
