"""File hashes are remembered, written in batches, and lost only to be made again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from medvid.releases import ledger as ledger_module
from medvid.releases.ledger import Ledger
from schemas.hashing import file_sha256


def written(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM file_hashes").fetchone()[0])


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.bin" for number in range(10)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100)
    return paths


def test_hashes_wait_for_company_and_are_known_meanwhile(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_BATCH", 4)
    place = tmp_path / "ledger.sqlite"
    ledger = Ledger(place)
    assert ledger.known_sha256(files[0]) is None
    counts = []
    for path in files:
        assert ledger.sha256_of(path) == file_sha256(path) == ledger.known_sha256(path)
        counts.append(written(place))
    assert counts == [0, 0, 0, 4, 4, 4, 4, 8, 8, 8]
    ledger.flush_hashes()
    assert written(place) == 10
    ledger.close()


def test_many_bytes_are_written_at_once(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_BATCH_BYTES", 250)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for path in files[:3]:
        ledger.sha256_of(path)
    assert written(tmp_path / "ledger.sqlite") == 3
    ledger.close()


def test_closing_writes_and_a_changed_file_is_read_again(tmp_path: Path, files: list[Path]) -> None:
    place = tmp_path / "ledger.sqlite"
    ledger = Ledger(place)
    first = ledger.sha256_of(files[0])
    ledger.close()
    ledger = Ledger(place)
    assert ledger.known_sha256(files[0]) == first
    files[0].write_bytes(b"longer than it was")
    assert ledger.known_sha256(files[0]) is None
    assert ledger.sha256_of(files[0]) != first
    ledger.close()
