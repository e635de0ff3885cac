"""What a workspace remembers of roots and pools is what reading them again would give."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from flows import recordings
from flows.pair_files import SAMPLE_SCHEMA, SAMPLES_FILE, write_columns
from flows.pool import load_pool
from flows.recordings import list_recordings, stamp_tree
from medvid.releases.workspace import Workspace
from medvid.splits import TURN, hash_turns
from schemas.video import Recording


class Listed:
    """A source whose recordings are the files of its root; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def discover(self, root: Path) -> list[Recording]:
        self.asked += 1
        names = sorted(path.name for path in root.iterdir())
        return [
            Recording(
                source="drawn", video_id=name, root=root, files=(name,),
                record=(root / name).read_text(encoding="utf-8"), hints={"split": "größer"},
            )
            for name in names
        ]  # fmt: skip


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Listed:
    source = Listed()
    monkeypatch.setattr(recordings, "get_converter", lambda _: source)
    return source


def test_a_root_is_listed_again_when_anything_in_it_changes(tmp_path: Path, listed: Listed) -> None:
    root = tmp_path / "native"
    root.mkdir()
    (root / "a").write_text("1", encoding="utf-8")
    with Workspace(tmp_path / "work") as workspace:

        def listing(code: str = "code") -> list[tuple[str, str | None]]:
            found = list_recordings("drawn", root, code, workspace)
            assert list(found) == Listed().discover(root)
            return [(item.video_id, item.record) for item in found]

        assert listing() == listing() == [("a", "1")]
        assert listed.asked == 1
        (root / "a").write_text("22", encoding="utf-8")
        assert listing() == [("a", "22")]
        (root / "b").write_text("3", encoding="utf-8")
        assert listing() == [("a", "22"), ("b", "3")]
        (root / "a").unlink()
        assert listing() == listing() == [("b", "3")]
        assert listed.asked == 4
        listing("other code")
        assert listed.asked == 5
        (tmp_path / "work" / "recordings" / "drawn.json").write_text("{", encoding="utf-8")
        assert listing("other code") == [("b", "3")]


def test_what_lies_behind_a_link_is_never_remembered(tmp_path: Path, listed: Listed) -> None:
    root, disk = tmp_path / "native", tmp_path / "disk"
    root.mkdir()
    disk.mkdir()
    (root / "a").write_text("1", encoding="utf-8")
    assert [name for name, *_ in stamp_tree(root) or []] == ["a"]
    (tmp_path / "outer").symlink_to(root)
    assert stamp_tree(tmp_path / "outer") == stamp_tree(root)
    (root / "videos").symlink_to(disk)
    assert stamp_tree(root) is None
    (root / "videos").unlink()
    (root / "gone").symlink_to(disk / "none")
    assert stamp_tree(root) is None


def write_video(workspace: Workspace, key: str, ids: list[str]) -> None:
    folder = workspace.folder("pairs", key)
    folder.mkdir(parents=True)
    columns: dict[str, Sequence[object]] = {
        field.name: [1] * len(ids) if str(field.type).startswith("int") else [f"{key}é"] * len(ids)
        for field in SAMPLE_SCHEMA
    }
    columns["payload"] = [b"{}"] * len(ids)
    write_columns(folder / SAMPLES_FILE, columns | {"sample_id": ids}, SAMPLE_SCHEMA)


def test_a_pool_kept_from_the_build_before_equals_one_read_anew(tmp_path: Path) -> None:
    videos = {"k1": ["c", "a"], "k2": ["b"], "k3": ["e", "d", "f"], "k4": ["g"]}
    rounds = [["k1", "k2"], ["k1", "k3", "k2"], ["k3", "k1"], ["k4"], ["k4", "k1", "k2", "k3"], []]
    with Workspace(tmp_path / "kept") as kept:
        for key, ids in videos.items():
            write_video(kept, key, ids)
        for number, keys in enumerate(rounds):
            with Workspace(tmp_path / f"fresh{number}") as fresh:
                for key in keys:
                    write_video(fresh, key, videos[key])
                anew = load_pool({"drawn": keys}, fresh, number % 2)
            again = load_pool({"drawn": keys}, kept, number % 2)
            assert again.equals(anew)
            assert again.schema == anew.schema
            assert "payload" not in again.columns
            assert again["sample_id"].to_list() == [i for key in keys for i in videos[key]]
            turns = hash_turns(again["sample_id"].to_list(), number % 2)
            assert again[TURN].to_list() == turns.tolist()


def test_a_damaged_pool_is_read_anew(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        write_video(workspace, "k1", ["b", "a"])
        write_video(workspace, "k2", ["c"])
        whole = load_pool({"drawn": ["k1", "k2"]}, workspace, 0)
        path = tmp_path / "pools" / "drawn.arrow"
        for damaged in (b"", path.read_bytes()[:-40], b"not arrow at all"):
            path.write_bytes(damaged)
            assert load_pool({"drawn": ["k1", "k2"]}, workspace, 0).equals(whole)
