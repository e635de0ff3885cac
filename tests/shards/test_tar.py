"""The tar writer: bytes, refusals, crashes."""

import hashlib
import itertools
import os
import resource
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.shards import PartWriter, TarWriter, aside, remove_partials
from medvid.shards.ustar import header
from schemas.errors import ShardError

KEYS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", fullmatch=True)
PAYLOADS = st.one_of(
    st.binary(max_size=2000), st.integers(0, 400_000).map(lambda size: b"\xff" * size)
)

FULL = r"a\.tar: cannot be written past byte 0: No space left on device\. Free space"


def write(path: Path, members: dict[str, bytes]) -> str:
    with TarWriter(path) as tar:
        for name, payload in members.items():
            tar.add(name, payload)
        return tar.close().sha256


@pytest.mark.parametrize("size", [0, 1, 511, 512, 8**11 - 1])
@pytest.mark.parametrize("name", ["a.jpg", "cholect50_VID75_00000548.jpg", "k" * 96 + ".jpg"])
def test_headers_are_those_of_the_standard_library(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    assert header(name.encode(), size) == info.tobuf(tarfile.USTAR_FORMAT)


@settings(max_examples=40, deadline=None)
@given(samples=st.dictionaries(KEYS, st.tuples(PAYLOADS, PAYLOADS), min_size=1, max_size=12))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, samples: dict[str, tuple[bytes, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("tar")
    members = {
        f"{key}.{part}": payload
        for key in sorted(samples)
        for part, payload in zip(("jpg", "json"), samples[key], strict=True)
    }
    with TarWriter(folder / "a.tar") as tar:
        returned = [tar.add(name, payload) for name, payload in members.items()]
        shard = tar.close()
    content = (folder / "a.tar").read_bytes()
    assert shard.sha256 == hashlib.sha256(content).hexdigest()
    assert shard.size == len(content)
    assert shard.members == tuple(returned)
    assert shard.sample_count == len(samples)
    assert {m.name: content[m.offset : m.offset + m.size] for m in shard.members} == members
    with tarfile.open(folder / "a.tar") as archive:
        assert [info.name for info in archive] == list(members)
        for info in archive:
            extracted = archive.extractfile(info)
            assert extracted is not None
            assert extracted.read() == members[info.name]


def test_two_writes_are_byte_equal(tmp_path: Path, jpegs: list[bytes]) -> None:
    members = {f"s_v_{i:08d}.jpg": jpeg for i, jpeg in enumerate(jpegs)}
    first = write(tmp_path / "a.tar", members)
    assert first == write(tmp_path / "b.tar", members)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    members["s_v_00000003.jpg"] += b"\0"
    assert write(tmp_path / "c.tar", members) != first


def test_headers_name_no_time_and_no_owner(tmp_path: Path) -> None:
    write(tmp_path / "a.tar", {"k.jpg": b"x"})
    with tarfile.open(tmp_path / "a.tar") as archive:
        info = archive.next()
    assert info is not None
    assert (info.mtime, info.uid, info.gid, info.mode) == (0, 0, 0, 0o644)
    assert (info.uname, info.gname) == ("", "")


def test_a_reused_buffer_does_not_change_what_was_written(tmp_path: Path) -> None:
    buffer = bytearray(b"first")
    with TarWriter(tmp_path / "a.tar") as tar:
        tar.add("a.jpg", memoryview(buffer))
        buffer[:] = b"other"
        member = tar.add("b.jpg", buffer)
    content = (tmp_path / "a.tar").read_bytes()
    assert content[512:517] == b"first"
    assert content[member.offset : member.offset + 5] == b"other"


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["a.jpg", "a.jpg"], "there twice"),
        (["a.jpg", "b.jpg", "a.jpg"], "keys must rise"),
        (["b.jpg", "a.jpg"], "keys must rise"),
        (["a.json", "a.jpg"], "comes after"),
        (["a.jpg", "a.json", "b.jpg", "c.jpg"], "sample 'b' has parts jpg"),
        (["a.jpg", "b.json", "c.jpg"], "sample 'b' has parts json"),
        (["a.jpg", "b.jpg", "b.json"], "sample 'b' has parts jpg, json"),
        (["a.b.jpg"], "2 dots"),
        (["jpg"], "0 dots"),
        (["k" * 97 + ".jpg"], "101 characters"),
        (["Ω.jpg"], "not ASCII"),
        (["__a.jpg"], "starts with a letter or digit"),
        (["a/b.jpg"], "starts with a letter or digit"),
        (["a b.jpg"], "starts with a letter or digit"),
        (["a.JPG"], "lower-case"),
        (["a.jpg\n"], "lower-case"),
        ([".jpg"], "starts with a letter or digit"),
        (["a."], "lower-case"),
    ],
)
def test_illegal_names_and_orders_are_refused(tmp_path: Path, names: list[str], why: str) -> None:
    (tmp_path / "a.tar").write_bytes(b"earlier")

    def attempt() -> None:
        with TarWriter(tmp_path / "a.tar") as tar:
            for name in names:
                tar.add(name, b"x")
            tar.close()

    with pytest.raises(ShardError, match=why) as caught:
        attempt()
    assert caught.value.source == "a.tar"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]
    assert (tmp_path / "a.tar").read_bytes() == b"earlier"


def test_a_refused_member_leaves_the_writer_usable(tmp_path: Path) -> None:
    with TarWriter(tmp_path / "a.tar") as tar:
        tar.add("b.jpg", b"1")
        with pytest.raises(ShardError):
            tar.add("a.jpg", b"2")
        tar.add("c.jpg", b"3")
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert archive.getnames() == ["b.jpg", "c.jpg"]


def test_a_shard_without_members_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="without members"), TarWriter(tmp_path / "a.tar"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_part_without_members_is_an_empty_file(tmp_path: Path) -> None:
    with PartWriter(tmp_path / "a.part") as part:
        shard = part.close()
    assert shard.members == ()
    assert shard.sample_count == 0
    assert (tmp_path / "a.part").read_bytes() == b""


def test_closing_twice_returns_the_same_and_adding_after_is_refused(tmp_path: Path) -> None:
    with TarWriter(tmp_path / "a.tar") as tar:
        tar.add("a.jpg", b"x")
        assert tar.close() is tar.close()
        with pytest.raises(ShardError, match="after the file was closed"):
            tar.add("b.jpg", b"x")
    assert (tmp_path / "a.tar").stat().st_size == 512 * 4


def test_nothing_is_visible_before_the_close_or_after_an_error(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with TarWriter(tmp_path / "a.tar") as tar:
            tar.add("a.jpg", b"x" * 3_000_000)
            assert not (tmp_path / "a.tar").exists()
            assert len(list(tmp_path.iterdir())) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named_and_spares_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tar").write_bytes(b"earlier")
    monkeypatch.setattr(aside, "_COUNTER", itertools.count(7))
    (tmp_path / f"a.tar.partial-{os.getpid()}-7").symlink_to("/dev/full")

    def go_on_after_the_error() -> None:
        with TarWriter(tmp_path / "a.tar") as tar:
            tar.add("a.jpg", b"x")
            for name in ("b.jpg", "c.jpg"):
                with pytest.raises(ShardError, match=FULL):
                    tar.add(name, b"x" * 2_000_000)

    with pytest.raises(ShardError, match=FULL):
        go_on_after_the_error()
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]
    assert (tmp_path / "a.tar").read_bytes() == b"earlier"


def test_a_file_size_limit_is_survived(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from medvid.shards import TarWriter\n"
        "with TarWriter(Path(sys.argv[1])) as tar:\n"
        "    for i in range(40): tar.add(f'{i:04d}.jpg', bytes(100_000))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.tar")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "ShardError: a.tar: cannot be written past byte" in run.stderr
    assert not list(tmp_path.iterdir())


def test_a_kill_leaves_no_visible_shard_and_a_second_run_writes_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from medvid.shards import TarWriter\n"
        "tar = TarWriter(Path(sys.argv[1])).__enter__()\n"
        "for i in range(30): tar.add(f'{i:04d}.jpg', bytes([i]) * 100_000)\n"
        "print('half', flush=True)\n"
        "if sys.argv[2] == 'wait': time.sleep(60)\n"
        "tar.close()\n"
    )
    target = tmp_path / "a.tar"
    command = [sys.executable, "-c", script, str(target)]
    with subprocess.Popen([*command, "wait"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 1
    assert left[0].startswith("a.tar.partial-")
    assert not list(tmp_path.glob("*.tar"))
    assert remove_partials(tmp_path) == left
    subprocess.run([*command, "go"], check=True, stdout=subprocess.DEVNULL)
    expected = {f"{i:04d}.jpg": bytes([i]) * 100_000 for i in range(30)}
    digest = write(tmp_path / "b.tar", expected)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == digest


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ShardError, match=r"a\.tar: .*No such file"),
        TarWriter(tmp_path / "no" / "a.tar"),
    ):
        pass
