"""The call cache after kills, damage and full disks, and between processes."""

import fcntl
import json
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.language import CallCache, CallCacheError, ChatReply
from schemas.hashing import content_key

ROOT = Path(__file__).parents[2]


def reply(text: str) -> ChatReply:
    return ChatReply(text=text, prompt_tokens=7, completion_tokens=3)


def key(number: int) -> str:
    return content_key("call", number)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(st.characters(codec="utf-8")), max_size=8))
def test_what_is_stored_is_loaded_again(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    with CallCache(folder) as cache:
        for number, text in enumerate(texts):
            cache.store(key(number), "m", reply(text))
    with CallCache(folder) as cache:
        assert [cache.load(key(number)) for number in range(len(texts))] == [*map(reply, texts)]
        assert cache.load(key(99)) is None
        assert (len(cache), cache.damaged) == (len(texts), 0)
        assert cache.tokens("m") == (7 * len(texts), 3 * len(texts))


def test_a_line_torn_anywhere_costs_that_call_alone(tmp_path: Path) -> None:
    with CallCache(tmp_path) as cache:
        cache.store(key(1), "m", reply("一 first"))
        size = (tmp_path / "calls.jsonl").stat().st_size
        cache.store(key(2), "m", reply("second"))
    whole = (tmp_path / "calls.jsonl").read_bytes()
    for cut in sorted({size, *range(size + 1, len(whole), 7), len(whole) - 1}):
        (tmp_path / "calls.jsonl").write_bytes(whole[:cut])
        with CallCache(tmp_path) as cache:
            assert cache.load(key(1)) == reply("一 first")
            assert cache.load(key(2)) is None
            cache.store(key(3), "m", reply("third"))
        with CallCache(tmp_path) as cache:
            assert cache.load(key(1)) == reply("一 first")
            assert cache.load(key(3)) == reply("third")
            unread = 0 if cut in (size, len(whole) - 1) else 1
            assert cache.damaged == unread
            assert (cache.load(key(2)) == reply("second")) == (cut == len(whole) - 1)


@pytest.mark.parametrize(
    "line",
    [b"\x00" * 40, b"{}", b"[1]", b"null",
     b'{"schema_version":1,"key":"zz","asked":"m","reply":{}}',
     b'{"schema_version":1,"key":"ab","asked":"m","reply":{"text":1}}', b"\xff\xfe"],
)  # fmt: skip
def test_lines_that_mean_nothing_are_counted_and_passed_over(tmp_path: Path, line: bytes) -> None:
    with CallCache(tmp_path) as cache:
        cache.store(key(1), "m", reply("first"))
    with (tmp_path / "calls.jsonl").open("ab") as handle:
        handle.write(line + b"\n\n")
    with CallCache(tmp_path) as cache:
        cache.store(key(2), "m", reply("second"))
        assert (cache.load(key(1)), cache.load(key(2))) == (reply("first"), reply("second"))
        assert cache.damaged == 1


def test_a_call_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with CallCache(tmp_path) as cache:
        cache.store(key(1), "m", reply("first"))
    path = tmp_path / "calls.jsonl"
    entry = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**entry, "schema_version": 2}) + "\n", encoding="utf-8")
    with pytest.raises(CallCacheError, match="version 2"):
        CallCache(tmp_path)


def test_what_another_handle_wrote_is_seen_at_once(tmp_path: Path) -> None:
    with CallCache(tmp_path) as one, CallCache(tmp_path) as two:
        assert two.load(key(1)) is None
        one.store(key(1), "m", reply("first"))
        assert two.load(key(1)) == reply("first")


_WRITER = """
import sys
from pathlib import Path
from medvid.language import CallCache, ChatReply
from schemas.hashing import content_key

with CallCache(Path(sys.argv[1])) as cache:
    for number in range(50):
        text = f"{sys.argv[2]} {number} " + "x" * (number * 400)
        answer = ChatReply(text=text, prompt_tokens=1, completion_tokens=1)
        cache.store(content_key(sys.argv[2], number), "m", answer)
"""


def test_processes_that_write_at_once_tear_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with CallCache(tmp_path) as cache:
        assert (len(cache), cache.damaged) == (150, 0)
        for name in "abc":
            for number in range(50):
                found = cache.load(content_key(name, number))
                assert found is not None
                assert found.text == f"{name} {number} " + "x" * (number * 400)


def test_a_writer_waits_for_another_processes_line(tmp_path: Path) -> None:
    with CallCache(tmp_path) as cache, (tmp_path / "calls.jsonl").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b'{"half')
        other.flush()
        writer = threading.Thread(target=cache.store, args=(key(1), "m", reply("first")))
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        other.write(b'": 1}\n')
        other.flush()
        fcntl.flock(other, fcntl.LOCK_UN)
        writer.join(30)
    lines = (tmp_path / "calls.jsonl").read_bytes().split(b"\n")
    assert lines[0] == b'{"half": 1}'
    assert len(lines) == 3


_FULL = """
import resource, sys
from pathlib import Path
from medvid.language import CallCache, CallCacheError, ChatReply
from schemas.hashing import content_key

resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
with CallCache(Path(sys.argv[1])) as cache:
    for number in range(100):
        try:
            cache.store(content_key(number), "m",
                        ChatReply(text="y" * 100, prompt_tokens=1, completion_tokens=1))
        except CallCacheError as error:
            print(number, error)
            break
"""


def test_a_full_disk_is_said_and_leaves_whole_lines(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    ran = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    kept, _, said = ran.stdout.partition(" ")
    assert "calls.jsonl: cannot be written" in said
    assert (tmp_path / "calls.jsonl").read_bytes().endswith(b"}\n")
    with CallCache(tmp_path) as cache:
        assert (len(cache), cache.damaged) == (int(kept), 0)
        assert int(kept) > 5


def test_one_process_claims_a_key_and_its_end_frees_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from medvid.language import CallCache\n"
        "cache = CallCache(Path(sys.argv[1]))\n"
        "with cache.claim(sys.argv[2]) as ours:\n"
        "    print(ours, flush=True); time.sleep(60)\n"
    )
    with CallCache(tmp_path) as cache:
        holder = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), key(1)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert holder.stdout is not None
        with holder:
            assert holder.stdout.readline() == "True\n"
            with cache.claim(key(1)) as ours, cache.claim(key(2)) as other:
                assert (ours, other) == (False, True)
            holder.kill()
        with cache.claim(key(1)) as ours:
            assert ours


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CallCacheError, match="cannot be opened"):
        CallCache(tmp_path / "file" / "calls")
