"""Part files and how they become a shard."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.shards import Member, PartWriter, TarWriter, concatenate, load_shard, scan_tar
from schemas.errors import ShardError

Part = tuple[Path, Sequence[Member]]


def write_part(path: Path, members: dict[str, bytes]) -> Part:
    with PartWriter(path) as part:
        for name, payload in members.items():
            part.add(name, payload)
        assert part.members == part.close().members
    return path, part.members


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(0, 3000), max_size=6), min_size=1, max_size=6).filter(any),
    big=st.sampled_from([0, 300_000, 5_000_000]),
    order=st.randoms(use_true_random=False),
)
def test_joined_parts_equal_a_direct_write(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[list[int]],
    big: int,
    order: object,
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    contents = [
        {f"s_{n:02d}_{i:08d}.jpg": bytes([n + 1]) * size for i, size in enumerate(each)}
        for n, each in enumerate(sizes)
    ]
    fullest = max(contents, key=len)
    fullest[next(iter(fullest))] += bytes(big)
    with TarWriter(folder / "direct.tar") as tar:
        for content in contents:
            for name, payload in content.items():
                tar.add(name, payload)
        direct = tar.close()
    parts = [write_part(folder / f"{n}.part", content) for n, content in enumerate(contents)]
    order.shuffle(parts)  # type: ignore[attr-defined]
    joined = concatenate(parts, folder / "joined.tar")
    assert (folder / "joined.tar").read_bytes() == (folder / "direct.tar").read_bytes()
    assert (joined.sha256, joined.size) == (direct.sha256, direct.size)
    assert joined.members == direct.members
    assert load_shard(folder / "joined.tar") == joined


def test_a_part_scans_as_a_part_only(tmp_path: Path) -> None:
    path, members = write_part(tmp_path / "a.part", {"a.jpg": b"1", "b.jpg": b"22"})
    assert tuple(scan_tar(path, part_file=True)) == members
    with pytest.raises(ShardError, match="two zero blocks"):
        list(scan_tar(path))


def test_overlapping_parts_are_refused(tmp_path: Path) -> None:
    first = write_part(tmp_path / "1.part", {"a.jpg": b"", "c.jpg": b""})
    second = write_part(tmp_path / "2.part", {"b.jpg": b""})
    with pytest.raises(ShardError, match="keys must rise"):
        concatenate([first, second], tmp_path / "out.tar")
    with pytest.raises(ShardError, match="there twice"):
        concatenate([second, second], tmp_path / "out.tar")
    assert not (tmp_path / "out.tar").exists()


def test_parts_of_other_kinds_are_refused(tmp_path: Path) -> None:
    first = write_part(tmp_path / "1.part", {"a.jpg": b""})
    second = write_part(tmp_path / "2.part", {"b.json": b""})
    with pytest.raises(ShardError, match="sample 'b' has parts json"):
        concatenate([first, second], tmp_path / "out.tar")


def test_no_members_at_all_is_refused(tmp_path: Path) -> None:
    empty = write_part(tmp_path / "1.part", {})
    with pytest.raises(ShardError, match="without members"):
        concatenate([empty], tmp_path / "out.tar")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda content: content[:-512], "has 1536 bytes, its members make 2048"),
        (lambda content: content + bytes(512), "has 2560 bytes"),
        (lambda content: b"z" + content[1:], "'a.jpg' is not at byte 512"),
        (lambda content: content[:1024] + bytes(1024), "'b.jpg' is not at byte 1536"),
    ],
)
def test_a_part_that_is_not_what_its_members_say_is_refused(
    tmp_path: Path, damage: object, why: str
) -> None:
    path, members = write_part(tmp_path / "a.part", {"a.jpg": b"1", "b.jpg": b"22"})
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    (tmp_path / "out.tar").write_bytes(b"earlier")
    with pytest.raises(ShardError, match=why) as caught:
        concatenate([(path, members)], tmp_path / "out.tar")
    assert caught.value.source == "a.part"
    assert (tmp_path / "out.tar").read_bytes() == b"earlier"


def test_a_missing_part_and_foreign_members_are_refused(tmp_path: Path) -> None:
    path, members = write_part(tmp_path / "a.part", {"a.jpg": b"1", "b.jpg": b"22"})
    with pytest.raises(ShardError, match="does not follow"):
        concatenate([(path, members[1:])], tmp_path / "out.tar")
    path.unlink()
    with pytest.raises(ShardError, match=r"a\.part: part file cannot be opened"):
        concatenate([(path, members)], tmp_path / "out.tar")
