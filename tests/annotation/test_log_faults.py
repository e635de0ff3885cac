"""The log and the archive on full disks, in damaged files, and in long projects."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from annotation.archive import Archive
from annotation.client import LabelStudio
from annotation.log import CorrectionLog
from annotation.pull import load_cursors, pull_corrections
from flows.corrections import read_log
from schemas.correction import Correction, CorrectionKind
from schemas.errors import CorrectionError
from schemas.hashing import canonical_json


def _correction(number: int, **changes: str) -> Correction:
    return Correction(
        who="ada", when="2026-01-01T10:00:00Z", tool="test", task_id=f"t{number}",
        source="cholect50", video_id="VID01", base_revision="r", kind=CorrectionKind.SEGMENT,
        before=None, reason="Grüße 三 \u2028 \r\n \x85",
        after={"start": number, "end": number + 1, "kind": "phase", "label": "cut"}, **changes,
    )  # fmt: skip


def _write_part(folder: Path, lines: list[bytes]) -> None:
    content = b"".join(line + b"\n" for line in lines)
    name = f"000001-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
    (folder / name).write_bytes(content)


def test_appending_builds_no_correction_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CorrectionLog(tmp_path)
    log.append([_correction(number) for number in range(20)])

    def refuse(*_: object) -> None:
        raise AssertionError("a logged correction was built")

    with monkeypatch.context() as patch:
        patch.setattr("annotation.log._correction", refuse)
        held = [_correction(number) for number in range(21)]
        assert CorrectionLog(tmp_path).append(held) == 1
        assert log.append(held) == 0
    assert [c.task_id for c in log] == [f"t{number}" for number in range(21)]


def test_a_line_of_before_a_field_came_is_still_known(tmp_path: Path) -> None:
    known = _correction(1)
    row = known.model_dump(mode="json")
    del row["annotation_id"]
    header = canonical_json({"schema_version": 1, "parent": None, "corrections": 1})
    _write_part(tmp_path, [header, canonical_json(row)])
    assert CorrectionLog(tmp_path).append([known, _correction(2)]) == 1


def test_an_append_by_another_process_is_seen(tmp_path: Path) -> None:
    log, other = CorrectionLog(tmp_path), CorrectionLog(tmp_path)
    log.append([_correction(1)])
    other.append([_correction(2)])
    assert log.append([_correction(2), _correction(3)]) == 1
    assert [c.task_id for c in other] == ["t1", "t2", "t3"]


def test_head_and_corrections_are_of_one_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull between two readings would make a build name corrections it never saw."""
    log = CorrectionLog(tmp_path)
    log.append([_correction(1)])
    before = log.head()
    calls: list[int] = []
    real = CorrectionLog._parts

    def meanwhile(self: CorrectionLog) -> object:
        parts = real(self)
        if not calls:
            calls.append(1)
            CorrectionLog(tmp_path).append([_correction(2)])
        return parts

    monkeypatch.setattr(CorrectionLog, "_parts", meanwhile)
    head, found = read_log(tmp_path)
    assert (head, sum(map(len, found.values()))) == (before, 1)


@pytest.mark.parametrize("header", [b"", b"[]", b"null", b"{", b'{"schema_version":1}'])
def test_a_part_without_header_is_refused_by_name(tmp_path: Path, header: bytes) -> None:
    _write_part(tmp_path, [header, canonical_json(_correction(1))])
    with pytest.raises(CorrectionError, match=r"000001-.*Restore the log"):
        list(CorrectionLog(tmp_path))


def test_a_part_that_is_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "000001-0123456789abcdef.jsonl").mkdir()
    with pytest.raises(CorrectionError, match=r"000001-0123456789abcdef.*cannot be read"):
        CorrectionLog(tmp_path).head()


def test_a_full_disk_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CorrectionLog(tmp_path)
    log.append([_correction(1)])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CorrectionError, match=r"No space left on device.*pull again"):
            log.append([_correction(2)])
    assert [c.task_id for c in log] == ["t1"]
    assert log.append([_correction(2)]) == 1
    assert not list(tmp_path.glob(".*.partial"))


def test_an_archive_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "annotations.jsonl").mkdir()
    with pytest.raises(CorrectionError, match=r"cannot be written.*pull again"):
        Archive(tmp_path).append([])


@pytest.mark.parametrize("line", [b"{torn", b"[]", b"{}", b"null"])
def test_a_damaged_line_of_the_archive_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "annotations.jsonl").write_bytes(b'{"version_id":"a"}\n' + line + b"\n")
    with pytest.raises(CorrectionError, match=r"annotations\.jsonl:2.*cursors\.json"):
        Archive(tmp_path).append([])


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"a": 1}', b'{"a": null}', b'{"a": "yesterday"}', b"[" * 9999],
)
def test_damaged_cursors_are_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cursors.json").write_bytes(content)
    with pytest.raises(CorrectionError, match=r"cursors\.json.*Delete the file"):
        load_cursors(tmp_path)


def test_cursors_that_are_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cursors.json").mkdir()
    with pytest.raises(CorrectionError, match=r"cursors\.json.*Delete the file"):
        load_cursors(tmp_path)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("mine")
    server = LabelStudio("http://127.0.0.1:9", "token")
    with pytest.raises(CorrectionError, match=r"nothing can be written in .*home"):
        pull_corrections(server, tmp_path / "home")
