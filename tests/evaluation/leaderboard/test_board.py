"""The board and its pages: order, places, export, plots, comparison, the admin's acts."""

import csv
import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from medvid.cli.main import app
from medvid.evaluation.leaderboard.board import export_csv, export_json, list_scopes, load_board
from medvid.evaluation.leaderboard.entries import find_by_receipt, list_entries
from medvid.evaluation.leaderboard.plots import bar_figure, radar_figure
from medvid.evaluation.leaderboard.public import Questions
from medvid.evaluation.leaderboard.published import published_scores, seed_published
from medvid.evaluation.leaderboard.queue import list_jobs
from medvid.evaluation.leaderboard.service import BoardService
from medvid.evaluation.leaderboard.settings import LeaderboardSettings, admin_token
from medvid.evaluation.leaderboard.sheets import comparison_sheet
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.worker import work_once
from medvid.evaluation.ranking import rank_entries
from medvid.evaluation.rows import COLUMNS
from medvid.evaluation.truth import Truth, load_truth
from medvid.shards import ReleaseReader
from medvid.synthetic import write_tree
from schemas.errors import ConfigError
from schemas.source import TaskName

Row = dict[str, Any]
TOKEN = "a-token-of-some-length"
HOSTILE = "<img src=x onerror=alert(1)> $\\frac{ =1+1"


@pytest.fixture
def service(
    settings: LeaderboardSettings, store: BoardStore, truth: Truth, upload: Any,
    answers: list[Row],
) -> BoardService:  # fmt: skip
    """A board with two scored entries, the published ones, and one that is not listed."""
    seed_published(store)
    upload(answers, HOSTILE, team="=HYPERLINK(1)")
    for row in answers[::2]:
        row["prediction"] = "no idea"
    upload(answers, "half")
    upload(answers, "secret", evaluate_only=True)
    stop = threading.Event()
    while work_once(store, settings, "evaluate", stop):
        pass
    return BoardService.of(settings, store, truth, TOKEN)


def test_published_scores_stand_as_the_fact_sheet_has_them() -> None:
    table = {line.name: line.values for line in published_scores()}
    assert len(table) == 19
    assert table["SPIRAL"] == dict(
        zip(
            COLUMNS, (0.893, 0.366, 0.337, 0.083, 0.2, 0.149, 0.241, 3.19, 4.059, 3.38), strict=True
        )
    )
    assert table["GPT-4.1"]["DVC_llm"] == 2.438
    order = [entry.name for entry in rank_entries(table)]
    assert order[:2] == ["uAI-NEXUS-MedVLM-1.0e-27B-SFT", "uAI-NEXUS-MedVLM-1.0b-4B-RL"]


def test_seeding_twice_changes_nothing(store: BoardStore) -> None:
    seed_published(store)
    seed_published(store)
    entries = list_entries(store)
    assert len(entries) == 19
    assert {entry.origin for entry in entries} == {"published"}


def test_the_board_holds_to_all_of_its_promises(
    service: BoardService, store: BoardStore, questions: Questions
) -> None:
    """One board serves many looks: making it takes seconds."""
    check_order(store, questions)
    check_pages(service)
    check_export(store, questions)
    check_figures(service)
    check_comparison(service)
    check_admin(service, store)


def check_order(store: BoardStore, questions: Questions) -> None:
    board = load_board(store, questions.truth_key)
    assert len(board.lines) == 21
    assert [line.rank.place for line in board.lines if line.rank] == list(range(1, 22))
    values = {line.entry.name: line.official for line in board.lines}
    assert [r.name for r in rank_entries(values)] == [line.entry.name for line in board.lines]
    assert "secret" not in values
    strict = load_board(store, questions.truth_key, profile="strict")
    assert [line.entry.name for line in strict.lines] == [HOSTILE, "half"]
    narrow = load_board(store, questions.truth_key, scope="source:avos")
    assert {line.entry.name for line in narrow.lines} == {HOSTILE, "half"}
    assert "CVS_acc" not in narrow.columns
    assert list_scopes(store)[0] == "all"
    other = load_board(store, "another truth")
    assert {line.entry.name for line in other.lines if line.rank is None} == {HOSTILE, "half"}


def check_pages(service: BoardService) -> None:
    pages = [
        service.board_page("official", "all", published=True),
        service.board_page("strict", "all", published=True),
        service.entry_page(HOSTILE), service.entry_page("SPIRAL"), service.entry_page("none"),
        service.history_page("=HYPERLINK(1)"), service.history_page("Community"),
        service.compare(HOSTILE, "half", 3)[0],
        service.admin(TOKEN, "a", "list the queue", "", ""),
    ]  # fmt: skip
    for page in pages:
        assert not re.search(r"<img|<script|onerror=[^&]*>(?!.*&gt;)", page)
        assert "zygomatic" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in pages[0]
    assert pages[0].count(">published</span>") == 19
    assert "not evaluated here" in pages[0]
    assert "secret" not in "".join(pages[:-1])


def check_export(store: BoardStore, questions: Questions) -> None:
    board = load_board(store, questions.truth_key)
    rows = list(csv.DictReader(io.StringIO(export_csv(board).decode())))
    assert [row["place"] for row in rows] == [str(n) for n in range(1, 22)]
    assert {row["team"] for row in rows} >= {"'=HYPERLINK(1)", "team", "Community"}
    document = json.loads(export_json(board))
    assert len(document["entries"]) == 21
    assert document["entries"][0]["ranks"]["CVS_acc"] >= 1
    assert "zygomatic" not in json.dumps(document)
    assert export_json(board) == export_json(load_board(store, questions.truth_key))


def check_figures(service: BoardService) -> None:
    for figure in service.figures([HOSTILE, "half", "SPIRAL"]):
        picture = drawn(figure)
        assert picture.std() > 10
    assert drawn(radar_figure({})).std() < drawn(radar_figure({"a": {"CVS_acc": 1.0}})).std()
    assert drawn(bar_figure({"_hidden": {"VS_llm": 5.0}, "b": {}})).any()


def drawn(figure: Any) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]


def check_comparison(service: BoardService) -> None:
    page, sheet = service.compare(HOSTILE, "half", 0)
    assert "0.0-7.0 seconds." in page
    assert sheet is not None
    assert "truth" not in page
    assert service.compare(HOSTILE, None, 0)[1] is None
    assert service.compare(HOSTILE, "half", 999)[1] is None
    assert service.compare(HOSTILE, "secret", 0)[1] is None
    assert len(service.row_choices(None, "tal")) == 4
    closed = service.settings.model_copy(update={"show_predictions": False})
    shut = BoardService(closed, service.store, service.questions)
    assert "does not show answers" in shut.compare(HOSTILE, "half", 0)[0]
    whole = load_truth(service.settings.truth)
    opened = BoardService.of(
        service.settings.model_copy(update={"show_truth": True}), service.store, whole, None
    )
    assert "zygomatic" in opened.compare(HOSTILE, "half", 3)[0]


def check_admin(service: BoardService, store: BoardStore) -> None:
    assert "not the admin" in service.admin("wrong", "x", "delete", "half", "")
    assert "not the admin" in service.admin("", "x", "delete", "half", "")
    assert "half" in service.names()
    assert "hidden" in service.admin(TOKEN, "a", "hide", "half", "")
    assert "half" not in service.names()
    assert "shown" in service.admin(TOKEN, "a", "show", "half", "")
    assert "taken" in service.admin(TOKEN, "a", "rename", "half", "SPIRAL")
    assert "now" in service.admin(TOKEN, "a", "rename", "half", "whole")
    assert "no answers" in service.admin(TOKEN, "a", "re-evaluate", "SPIRAL", "")
    assert "again" in service.admin(TOKEN, "a", "re-evaluate", "whole", "")
    assert [job.entry for job in list_jobs(store) if job.state == "waiting"] == ["whole"]
    number = next(e.id for e in list_entries(store, everything=True) if e.name == "secret")
    assert "deleted" in service.admin(TOKEN, "a", "delete", f"#{number}", "")
    assert "No entry" in service.admin(TOKEN, "a", "delete", f"#{number}", "")
    for _ in range(service.settings.admin_tries_per_hour):
        refusal = service.admin("wrong", "x", "delete", "whole", "")
    assert "limit" in refusal
    assert BoardService(service.settings, store, service.questions, None, None)._refused("", "y")


def test_a_failed_entrys_name_can_be_taken_and_given_back(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings, truth: Truth
) -> None:
    hasty = settings.model_copy(update={"time_limit_s": 0.05})
    service = BoardService.of(settings, store, truth, TOKEN)
    receipt = upload(answers, "slow")
    work_once(store, hasty, "evaluate", threading.Event())
    page, waits = service.status_page(receipt.word)
    assert "longer than" in page
    assert not waits
    assert "again" in service.admin(TOKEN, "a", "re-evaluate", "slow", "")
    found = find_by_receipt(store, receipt.word)
    assert found is not None
    assert found[0].state == "waiting"
    assert service.status_page(receipt.word)[1]
    assert not service.status_page("nonsense")[1]


def test_the_token_is_a_secret_and_no_setting(
    settings: LeaderboardSettings, truth: Truth, store: BoardStore
) -> None:
    assert admin_token({}) is None
    with pytest.raises(ConfigError, match="fewer than 16"):
        admin_token({"MEDVID_LEADERBOARD_ADMIN_TOKEN": "short"})
    assert admin_token({"MEDVID_LEADERBOARD_ADMIN_TOKEN": TOKEN}) == TOKEN
    assert TOKEN not in repr(BoardService.of(settings, store, truth, TOKEN))
    assert not any("token" in name for name in settings.model_dump())


def test_settings_are_read_from_the_environment() -> None:
    given = {"MEDVID_LEADERBOARD_TRUTH": "x", "MEDVID_LEADERBOARD_SHOW_TRUTH": "true"}
    assert LeaderboardSettings.from_environment(given).show_truth
    with pytest.raises(ConfigError, match="truth"):
        LeaderboardSettings.from_environment({})
    with pytest.raises(ConfigError, match="port"):
        LeaderboardSettings.from_environment(given | {"MEDVID_LEADERBOARD_PORT": "99999"})


def test_options_that_are_not_given_are_left_to_the_environment(
    truth_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medvid.evaluation.leaderboard import serving

    found: list[LeaderboardSettings] = []
    monkeypatch.setattr(serving, "serve", lambda settings, _started: found.append(settings))
    monkeypatch.setenv("MEDVID_LEADERBOARD_UPLOADS_PER_HOUR", "3")
    monkeypatch.setenv("MEDVID_LEADERBOARD_TITLE", "of the environment")
    asked = ["--truth", str(truth_file), "--title", "asked for", "--max-upload-mib", "7"]
    done = CliRunner().invoke(app, ["leaderboard", "serve", *asked])
    assert done.exit_code == 0, done.output
    assert (found[0].uploads_per_hour, found[0].title) == (3, "asked for")
    assert found[0].max_upload_bytes == 7 << 20
    assert found[0].database == "sqlite:///leaderboard.sqlite"


def test_a_space_is_written_once_with_sound_front_matter(tmp_path: Path) -> None:
    run = CliRunner()
    folder = tmp_path / "space"
    done = run.invoke(app, ["leaderboard", "space", str(folder), "--title", "Ours", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["files"] == ["README.md", "app.py", "requirements.txt"]
    front = yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert (front["title"], front["sdk"], front["app_file"]) == ("Ours", "gradio", "app.py")
    assert front["sdk_version"] in (Path("pyproject.toml")).read_text(encoding="utf-8")
    compile((folder / "app.py").read_text(encoding="utf-8"), "app.py", "exec")
    again = run.invoke(app, ["leaderboard", "space", str(folder)])
    assert isinstance(again.exception, ConfigError)


def test_the_table_is_exported_from_the_command_line(
    truth_file: Path, store: BoardStore, settings: LeaderboardSettings, tmp_path: Path
) -> None:
    seed_published(store)
    output = tmp_path / "table.csv"
    done = CliRunner().invoke(
        app,
        ["leaderboard", "export", "--truth", str(truth_file), "--database", settings.database,
         "--output", str(output), "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["entries"]) == 19
    assert output.read_text(encoding="utf-8").count("\n") == 20


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with frames and boxes."""
    folder = tmp_path_factory.mktemp("board")
    tree = folder / "cholect50"
    tree.mkdir()
    write_tree("cholect50", tree, scale=0.0, max_seconds=60)
    done = CliRunner().invoke(
        app,
        ["build", "--source", f"cholect50={tree}", "--extra-task", "cholect50:stg",
         "--extra-task", "cholect50:region_caption", "--output", str(folder / "release"),
         "--no-server", "--standard-size", "30"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder / "release"


@pytest.fixture
def opened(release: Path) -> Iterator[tuple[Truth, ReleaseReader]]:
    split = next(
        name for name in ("test", "val", "train")
        if any((release / "large").glob(f"{name}-*.tar"))
    )  # fmt: skip
    with ReleaseReader(release) as reader:
        yield load_truth(release, split=split), reader


def test_a_sheet_without_truth_depends_on_the_answers_alone(
    opened: tuple[Truth, ReleaseReader],
) -> None:
    from medvid.evaluation.leaderboard.public import questions_of

    truth, reader = opened
    public = questions_of(truth)
    tasks = {row.task for row in truth.rows}
    assert TaskName.TAL in tasks
    for task in tasks:
        row = next(row for row in truth.rows if row.task is task)
        bare = public.rows[row.index]
        answers = {"A": row.answer, "B": "no idea"}
        sheet = comparison_sheet(bare, answers, reader)
        assert sheet is not None
        assert sheet.ndim == 3
        # The row with its truth draws the same picture: nothing of it is looked at.
        again = comparison_sheet(row, answers, reader)
        assert again is not None
        assert np.array_equal(sheet, again)
        if row.spans or row.boxes or row.events:
            shown = comparison_sheet(bare, answers, reader, row)
            assert shown is not None
            assert shown.shape != sheet.shape or not np.array_equal(shown, sheet)


def test_hostile_boxes_are_drawn_inside_the_frame(opened: tuple[Truth, ReleaseReader]) -> None:
    truth, reader = opened
    row = next((r for r in truth.rows if r.task is TaskName.STG), truth.rows[0])
    wild = "0.0 seconds: [-1e300, 1e300, 99999999, 0] 5.0 seconds: [9, 9, 1, 1] " * 200
    assert comparison_sheet(row, {"A": wild, "B": ""}, reader) is not None
