"""The scanner: every damage outside a payload has a name."""

import gzip
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.shards import ShardFile, TarWriter, load_shard, scan_tar
from medvid.shards.ustar import header
from schemas.errors import ShardError

NAMES = ("a.jpg", "a.json", "b.jpg", "b.json")
SIZES = (700, 512, 0, 3)
# headers at 0, 1536, 2560, 3072; the end blocks at 4096
END = 4096


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ShardFile]:
    path = tmp_path_factory.mktemp("scan") / "train-000.tar"
    with TarWriter(path) as tar:
        for name, size in zip(NAMES, SIZES, strict=True):
            tar.add(name, b"\xa5" * size)
        return path, tar.close()


def damaged(shard: tuple[Path, ShardFile], tmp_path: Path, content: bytes) -> ShardError:
    path = tmp_path / shard[0].name
    path.write_bytes(content)
    with pytest.raises(ShardError) as caught:
        list(scan_tar(path))
    assert caught.value.source == "train-000.tar"
    assert "at byte" in caught.value.problem
    return caught.value


def test_a_sound_shard_scans_as_it_was_written(shard: tuple[Path, ShardFile]) -> None:
    path, written = shard
    assert path.stat().st_size == END + 1024
    assert tuple(scan_tar(path)) == written.members
    assert load_shard(path) == written


def test_every_flipped_bit_outside_the_payloads_is_found(
    shard: tuple[Path, ShardFile], tmp_path: Path
) -> None:
    content = shard[0].read_bytes()
    inside = {i for m in shard[1].members for i in range(m.offset, m.offset + m.size)}
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (at % 8)
        if at in inside:
            (tmp_path / "x.tar").write_bytes(flipped)
            assert len(list(scan_tar(tmp_path / "x.tar"))) == len(NAMES)
        else:
            damaged(shard, tmp_path, bytes(flipped))


@settings(max_examples=60, deadline=None)
@given(length=st.integers(0, END + 1023))
def test_every_truncation_is_found(
    shard: tuple[Path, ShardFile], tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    damaged(shard, tmp_path_factory.mktemp("cut"), shard[0].read_bytes()[:length])


Damage = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("damage", "at", "why", "member"),
    [
        (lambda c: c[:END], END, "without the two zero blocks", "b.json"),
        (lambda c: c[: END + 512], END, "without the two zero blocks", "b.json"),
        (lambda c: c[:3000], 2560, "72 bytes short of a header", "a.json"),
        (lambda c: c[:600], 0, "ends 936 bytes before this member does", "a.jpg"),
        (lambda c: c + bytes(512), END + 1024, "512 bytes follow the end", "b.json"),
        (lambda c: c + c, END + 1024, f"{END + 1024} bytes follow", "b.json"),
        (lambda c: c[:1536] + bytes(512) + c[1536:], 1536, "a zero block stands", "a.jpg"),
        (lambda c: c[:1536] + b"?" * 512 + c[1536:], 1536, "no USTAR header", "a.jpg"),
        (lambda c: c[:1300] + b"x" + c[1301:], 1212, "padding is not zero", "a.jpg"),
        (lambda c: c[:124] + b"7" + c[125:], 0, "checksum", None),
        (lambda c: c[:148] + b"9" + c[149:], 0, "is not octal", None),
        (lambda c: c[2560:4096] + c[:2560] + c[4096:], 1536, "keys must rise", "a.jpg"),
        (lambda c: c[:2560] + c[3072:], END - 512, "sample 'b' has parts json", "b.json"),
        (lambda c: c[:1536] + c[:1536] + c[1536:], 1536, "there twice", "a.jpg"),
        (lambda c: header(b"a.b.jpg", 700) + c[512:], 0, "2 dots", "a.b.jpg"),
        (lambda c: bytes(1024), 0, "no member", None),
        (lambda c: b"", 0, "without the two zero blocks", None),
    ],
)
def test_damages_are_named_with_their_place(
    shard: tuple[Path, ShardFile],
    tmp_path: Path,
    damage: Damage,
    at: int,
    why: str,
    member: str | None,
) -> None:
    error = damaged(shard, tmp_path, damage(shard[0].read_bytes()))
    assert f"at byte {at}," in error.problem
    assert error.field == member
    with pytest.raises(ShardError, match=why):
        raise error


@pytest.mark.parametrize(
    "change",
    [{"mode": 0o755}, {"mtime": 1}, {"uid": 1}, {"type": tarfile.SYMTYPE}, {"uname": "root"}],
)
def test_headers_we_never_write_are_refused(
    shard: tuple[Path, ShardFile], tmp_path: Path, change: dict[str, object]
) -> None:
    info = tarfile.TarInfo("a.jpg")
    info.size = 700
    for field, value in change.items():
        setattr(info, field, value)
    content = info.tobuf(tarfile.USTAR_FORMAT) + shard[0].read_bytes()[512:]
    assert "never write" in damaged(shard, tmp_path, content).problem


def test_a_compressed_shard_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(gzip.compress(random.Random(0).randbytes(2000)))
    with pytest.raises(ShardError, match=r"a\.tar: at byte 0, member 0: no USTAR header"):
        list(scan_tar(tmp_path / "a.tar"))
    with pytest.raises(ShardError, match=r"media/b\.tar: cannot be opened"):
        list(scan_tar(tmp_path / "b.tar", name="media/b.tar"))
