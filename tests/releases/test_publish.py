"""Publishing: aside, sealed, swapped; a kill in between leaves one whole release."""

from pathlib import Path

import orjson
import pytest

from medvid.releases.publish import (
    RUN_FILE,
    Staging,
    is_complete,
    manifest_hash,
    read_manifest,
    read_run,
    recover_output,
)
from schemas.errors import ReleaseError
from schemas.hashing import file_sha256


def publish(output: Path, text: str, linked: Path | None = None) -> str:
    staging = Staging(output)
    staging.write("README.md", text.encode())
    if linked is not None:
        staging.link("large/train-000.tar", linked, file_sha256(linked))
    sha256 = staging.seal()
    staging.swap_in()
    return sha256


def test_manifest_covers_every_file_with_its_hash(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"tar")
    sha256 = publish(tmp_path / "out", "card", blob)
    files = read_manifest(tmp_path / "out")
    assert set(files) == {"README.md", "large/train-000.tar"}
    assert all(file_sha256(tmp_path / "out" / n) == i["sha256"] for n, i in files.items())
    assert manifest_hash(tmp_path / "out") == sha256
    assert is_complete(tmp_path / "out")


def test_same_content_gives_the_same_manifest(tmp_path: Path) -> None:
    assert publish(tmp_path / "a", "card") == publish(tmp_path / "b", "card")
    assert publish(tmp_path / "c", "other") != manifest_hash(tmp_path / "a")


def test_new_release_replaces_the_old_one_whole(tmp_path: Path) -> None:
    publish(tmp_path / "out", "one")
    publish(tmp_path / "out", "two")
    assert (tmp_path / "out" / "README.md").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_kill_between_the_two_renames_is_undone(tmp_path: Path) -> None:
    publish(tmp_path / "out", "one")
    (tmp_path / "out").rename(tmp_path / ".out.before")
    recover_output(tmp_path / "out")
    assert (tmp_path / "out" / "README.md").read_text() == "one"


def test_a_folder_that_is_no_release_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(ReleaseError, match="not a release"):
        recover_output(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    recover_output(tmp_path / "empty")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 999, "files": {}}'])
def test_a_manifest_that_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ReleaseError):
        read_manifest(tmp_path)
    assert not is_complete(tmp_path)


def test_missing_file_is_noticed(tmp_path: Path) -> None:
    publish(tmp_path / "out", "one")
    (tmp_path / "out" / "README.md").unlink()
    assert not is_complete(tmp_path / "out")


def test_what_a_release_takes_over_unchanged_is_told_from_what_it_writes(tmp_path: Path) -> None:
    finished = tmp_path / "shard.tar"
    finished.write_bytes(b"tar")
    for text, carried in (("one", None), ("two", ["large/train-000.tar"])):
        staging = Staging(tmp_path / "out")
        staging.link("large/train-000.tar", finished, file_sha256(finished))
        staging.write("README.md", text.encode())
        staging.seal()
        assert staging.carried() == carried
        record = {"stamps": staging.stamps(), "carried": staging.carried()}
        staging.write(RUN_FILE, orjson.dumps(record))
        staging.swap_in()
    (tmp_path / "out" / RUN_FILE).write_text("{")
    assert read_run(tmp_path / "out") == {}
