"""The leaderboard as people and attackers meet it: a real server, a real browser, no outside."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.leaderboard.visits import SECRET, TOKEN, Server, Visitor, written
from tests.evaluation.official_rows import Row

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is absent")
pytest.importorskip("gradio", reason="the extra `leaderboard` is absent")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is absent"),
]

HOSTILE = "<img src=x onerror=\"alert('x')\"><script>alert(1)</script>"
FULL_PLOT_BYTES = 8_000


@pytest.fixture(scope="module")
def server(truth_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(truth_file, tmp_path_factory.mktemp("server"))
    try:
        yield started
    finally:
        started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def visitor(browser: Any, server: Server) -> Iterator[Visitor]:
    found = Visitor(browser, server)
    yield found
    assert found.outside == []
    assert found.dialogs == []
    assert SECRET not in found.page.content()
    found.page.close()


def test_a_new_board_shows_the_published_scores_as_published(visitor: Visitor) -> None:
    assert visitor.page.locator("#board-table .badge").count() == 19
    assert visitor.board()[0] == "uAI-NEXUS-MedVLM-1.0e-27B-SFT"


def test_good_uploads_are_scored_and_change_the_order(
    visitor: Visitor, answers: list[Row], tmp_path: Path
) -> None:
    weak = [{**row, "prediction": "no idea"} for row in answers]
    assert "Taken" in visitor.submit(written(tmp_path, "weak", weak), "weak")
    assert "Place 20 of 20" in visitor.until_scored("weak")
    before = visitor.board()
    assert before[-1] == "weak"
    assert "Taken" in visitor.submit(written(tmp_path, "strong", answers), HOSTILE, team=HOSTILE)
    assert "Scored." in visitor.until_scored("<script>alert(1)")
    after = visitor.board()
    assert HOSTILE in after[:12]
    assert after[-1] == "weak"
    assert sorted(after) == sorted([*before, HOSTILE])


def test_evaluate_only_tells_a_place_and_lists_nothing(
    visitor: Visitor, answers: list[Row], tmp_path: Path
) -> None:
    visitor.submit(written(tmp_path, "only", answers), "only me", only=True)
    assert "It would stand at place" in visitor.until_scored("only me")
    assert "only me" not in visitor.board()


def test_bad_uploads_are_refused_with_record_and_line(
    visitor: Visitor, answers: list[Row], tmp_path: Path
) -> None:
    before = visitor.board()
    text = json.dumps(answers, indent=0)
    deep: object = []
    for _ in range(300):
        deep = [deep]
    kinds = {
        "nan": (text.replace('"prediction": "cutting"', '"prediction": NaN', 1).encode(), "NaN is"),
        "short": (answers[:-3], "17 records"),
        "nested": ([{**answers[0], "prediction": deep}, *answers[1:]], "nested"),
        "bomb": (b"[" * 1_000_000, "nested 1,000,000 deep"),
        "number": ([*answers[:4], {**answers[4], "prediction": 7}, *answers[5:]], "record 4 (line"),
        "cut": (text[: len(text) // 2].encode(), "line"),
    }
    for name, (content, words) in kinds.items():
        said = visitor.submit(written(tmp_path, name, content), f"bad {name}")
        assert "Not taken" in said, name
        assert words in said, (name, said)
        assert f"{name}.json" in said
    said = visitor.submit(written(tmp_path, "again", answers), "weak")
    assert "is taken" in said
    assert visitor.board() == before


def test_a_file_that_brings_its_own_truth_is_scored_against_the_servers(
    visitor: Visitor, official_rows: list[Row], tmp_path: Path
) -> None:
    forged = []
    for row in official_rows:
        bare = {key: value for key, value in row.items() if key != "conversations"}
        forged.append({**bare, "question": "?", "gnd": "no idea", "prediction": "no idea"})
    assert "Taken" in visitor.submit(written(tmp_path, "forged", forged), "forged")
    said = visitor.until_scored("forged")
    assert "questions or references of their own" in said
    names = visitor.board()
    assert names.index("forged") >= len(names) - 2


def endless_form() -> Iterator[bytes]:
    """A form that goes on for a hundred megabytes and says its size nowhere."""
    yield (
        b'--cut\r\nContent-Disposition: form-data; name="files"; filename="a.json"\r\n'
        b"Content-Type: application/json\r\n\r\n"
    )
    for _ in range(1_600):
        yield b"x" * (1 << 16)
    yield b"\r\n--cut--\r\n"


def test_a_hundred_megabytes_are_refused_unread(
    visitor: Visitor, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as handle:
        handle.write(b"[")
        handle.truncate(100 << 20)
    cache = server.folder / "cache"
    visitor.tab("Submit")
    visitor.choose_file(path)
    visitor.page.wait_for_timeout(2_000)
    assert "large" not in visitor.page.inner_text("#upload")
    status, body, _ = server.request(
        "POST", "/gradio_api/upload", None, {"Content-Length": str(100 << 20)}
    )
    assert status == 413
    assert b"larger than" in body
    # A body that hides its size is cut off on its way.
    headers = {"Content-Type": "multipart/form-data; boundary=cut"}
    try:
        status = server.request("POST", "/gradio_api/upload", endless_form(), headers)[0]
    except (BrokenPipeError, ConnectionResetError):
        status = 413
    assert status == 413
    kept = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    assert kept < 8 << 20
    visitor.page.reload()
    visitor.page.wait_for_selector("#board-table")


def test_plots_are_drawn(visitor: Visitor) -> None:
    visitor.tab("Plots")
    for plot in ("radar", "bars"):
        image = visitor.page.locator(f"#{plot} img")
        seen = b""
        for _ in range(40):  # a plot fades in, and is drawn anew when its tab is opened
            visitor.page.wait_for_timeout(250)
            seen = image.screenshot()
            if len(seen) > FULL_PLOT_BYTES:
                break
        assert len(seen) > FULL_PLOT_BYTES, "an empty picture"
        assert image.evaluate("image => image.naturalWidth") > 400


def test_two_entries_are_compared_on_one_clip(visitor: Visitor) -> None:
    visitor.tab("Compare")
    visitor.page.wait_for_timeout(1_000)
    visitor.choose("first", "<script>")
    visitor.choose("second", "weak")
    visitor.choose("row", "0: tal")
    visitor.page.wait_for_selector("#comparison .pair")
    said = visitor.page.inner_text("#comparison")
    assert "0.0-7.0 seconds." in said
    assert "no idea" in said
    visitor.page.wait_for_selector("#sheet img")


def test_an_entry_a_history_and_the_strict_order_are_shown(visitor: Visitor) -> None:
    visitor.tab("Entries")
    visitor.page.wait_for_timeout(1_000)
    visitor.choose("entry", "weak")
    visitor.page.wait_for_selector("#entry-page table")
    assert "By source" in visitor.page.inner_text("#entry-page")
    visitor.choose("history-team", "team")
    visitor.page.wait_for_selector("#history table")
    assert "forged" in visitor.page.inner_text("#history")
    visitor.tab("Leaderboard")
    visitor.page.click("#profile label:has-text('strict')")
    visitor.page.wait_for_function(
        "() => document.querySelectorAll('#board-table .model').length < 10"
    )
    assert visitor.page.locator("#board-table .badge").count() == 0
    visitor.page.click("#profile label:has-text('official')")
    visitor.page.wait_for_function(
        "() => document.querySelectorAll('#board-table .model').length > 18"
    )


def test_the_table_is_downloaded(visitor: Visitor) -> None:
    visitor.board()
    visitor.page.wait_for_timeout(1_000)
    with visitor.page.expect_download() as found:
        visitor.page.click("#csv")
    text = Path(found.value.path()).read_text(encoding="utf-8")
    assert text.startswith("place,")
    assert "weak" in text
    assert SECRET not in text


def test_truth_and_database_cannot_be_opened(server: Server, visitor: Visitor) -> None:
    for path in (server.truth, server.database, Path("/etc/passwd")):
        for route in ("/gradio_api/file=", "/file="):
            status, body, _ = server.request("GET", f"{route}{path}")
            assert status in (403, 404)
            assert SECRET.encode() not in body
    status, body, headers = server.request("GET", "/config")
    assert SECRET.encode() not in body
    assert TOKEN.encode() not in body
    assert "'self'" in headers["content-security-policy"]
    body = json.dumps({"data": ["official", "all"]}).encode()
    status, answer, _ = server.request(
        "POST", "/gradio_api/call/board", body, {"Content-Type": "application/json"}
    )
    assert status == 200
    event = json.loads(answer)["event_id"]
    _, table, _ = server.request("GET", f"/gradio_api/call/board/{event}")
    assert b"SPIRAL" in table
    assert SECRET.encode() not in table


def test_uploads_at_once_from_two_browsers_are_both_kept(
    browser: Any, server: Server, visitor: Visitor, answers: list[Row], tmp_path: Path
) -> None:
    other = Visitor(browser, server)
    path = written(tmp_path, "both", answers)
    for one, name in ((visitor, "both one"), (other, "both two")):
        one.tab("Submit")
        one.choose_file(path)
        one.page.wait_for_selector("#upload >> text=both")
        for box, text in (("name", name), ("team", name), ("institution", "Uni")):
            one.page.fill(f"#{box} input, #{box} textarea", text)
    visitor.page.click("#send", no_wait_after=True)
    other.page.click("#send", no_wait_after=True)
    for one in (visitor, other):
        one.page.wait_for_selector("#answer >> text=Receipt")
    names: list[str] = []
    for _ in range(60):
        names = other.board()
        if {"both one", "both two"} <= set(names):
            break
        other.page.wait_for_timeout(1_000)
    assert names.count("both one") == names.count("both two") == 1
    assert other.outside == []
    other.page.close()


def test_the_admin_hides_an_entry_and_nobody_else_does(visitor: Visitor) -> None:
    visitor.tab("Admin")
    for token, words in (("wrong-token-of-some-length", "not the admin"), (TOKEN, "is hidden")):
        visitor.page.fill("#token input", token)
        visitor.choose("act", "hide")
        visitor.page.fill("#admin-entry input, #admin-entry textarea", "forged")
        visitor.page.click("#do")
        visitor.page.wait_for_selector(f"#admin-page >> text={words}")
    assert "forged" not in visitor.board()


def test_the_log_holds_no_secret(server: Server) -> None:
    time.sleep(0.2)
    log = (server.folder / "log").read_text(encoding="utf-8")
    assert TOKEN not in log
    assert SECRET not in log
    assert "Traceback" not in log
