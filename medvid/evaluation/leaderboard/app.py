"""The pages as a Gradio app; what they do is in `service`."""

import io
import tempfile
from pathlib import Path
from typing import Any, Final

import gradio as gr
from matplotlib.figure import Figure

from medvid.evaluation.leaderboard import pages
from medvid.evaluation.leaderboard.administration import ACTS
from medvid.evaluation.leaderboard.board import export_csv, export_json
from medvid.evaluation.leaderboard.limits import client_address
from medvid.evaluation.leaderboard.plots import MOST_ENTRIES
from medvid.evaluation.leaderboard.registration import Registration
from medvid.evaluation.leaderboard.service import BoardService
from medvid.evaluation.leaderboard.sheets import RgbArray
from medvid.evaluation.rows import Profile
from schemas.errors import SubmissionError
from schemas.source import TaskName

REFRESH_S: Final = 2.0
CACHE_S: Final = 900
"""Seconds after which what was sent is deleted, submitted or not."""

_ALL: Final = "all"
_QUEUE: Final = "list the queue"
Update = dict[str, Any]


def build_app(service: BoardService) -> gr.Blocks:
    """Lay the pages out."""
    app: gr.Blocks
    with gr.Blocks(
        title=service.settings.title, analytics_enabled=False, delete_cache=(CACHE_S // 3, CACHE_S)
    ) as app:
        gr.Markdown(f"# {_plain_markdown(service.settings.title)}", elem_id="title")
        gr.Markdown(_about(service), elem_id="about")
        with gr.Tabs():
            with gr.Tab("Leaderboard", id="board") as board_tab:
                _board_tab(app, service, board_tab)
            with gr.Tab("Submit", id="submit"):
                _submit_tab(service)
            with gr.Tab("Entries", id="entries") as entries_tab:
                _entries_tab(app, service, entries_tab)
            with gr.Tab("Plots", id="plots") as plots_tab:
                _plots_tab(app, service, plots_tab)
            with gr.Tab("Compare", id="compare") as compare_tab:
                _compare_tab(app, service, compare_tab)
            if service.token is not None:
                with gr.Tab("Admin", id="admin"):
                    _admin_tab(service)
        gr.events.api(_board_api(service), api_name="board")
    return app


def _board_tab(app: gr.Blocks, service: BoardService, tab: gr.Tab) -> None:
    with gr.Row():
        profile = gr.Radio(
            [("official rules", "official"), ("strict rules", "strict")], value="official",
            label="Order by", elem_id="profile",
        )  # fmt: skip
        scope = gr.Dropdown(service.scopes(), value=_ALL, label="Rows", elem_id="scope")
        published = gr.Checkbox(
            service.settings.show_published, label="published scores", elem_id="published",
            visible=service.settings.show_published,
        )  # fmt: skip
        refresh = gr.Button("Refresh", elem_id="refresh", scale=0, min_width=120)
    table = gr.HTML(elem_id="board", apply_default_css=False)
    with gr.Row():
        csv_file = gr.DownloadButton("Download CSV", elem_id="csv", size="sm")
        json_file = gr.DownloadButton("Download JSON", elem_id="json", size="sm")

    def show(chosen: Profile, rows: str, with_published: bool) -> tuple[str, Update]:
        page = service.board_page(chosen, rows or _ALL, published=with_published)
        return page, gr.update(choices=service.scopes())

    def save(chosen: Profile, rows: str, with_published: bool, kind: str) -> str:
        board = service.board(chosen, rows or _ALL, published=with_published)
        content = export_csv(board) if kind == "csv" else export_json(board)
        path = Path(tempfile.mkdtemp(prefix="medvid-board-")) / f"leaderboard.{kind}"
        path.write_bytes(content)
        return str(path)

    inputs = [profile, scope, published]
    for event in (app.load, tab.select, refresh.click, profile.change, published.change):
        event(show, inputs, [table, scope], api_visibility="private")
    scope.input(show, inputs, [table, scope], api_visibility="private")
    # The file is made when it is asked for: a table made earlier could be out of date.
    for button, kind in ((csv_file, "csv"), (json_file, "json")):
        made = gr.State(kind)
        for event in (app.load, profile.change, scope.change, published.change, refresh.click):
            event(save, [*inputs, made], button, api_visibility="private")


def _submit_tab(service: BoardService) -> None:
    gr.Markdown(_rules(service), elem_id="rules")
    fields = _registration_form()
    send = gr.Button("Submit", variant="primary", elem_id="send")
    answer = gr.HTML(elem_id="answer", apply_default_css=False)
    receipt = gr.Textbox(label="Receipt of an earlier upload", elem_id="receipt-box")
    status = gr.HTML(elem_id="status", apply_default_css=False)
    timer = gr.Timer(REFRESH_S, active=False)

    def submit(
        path: str | None, name: str, team: str, institution: str, authors: str, contact: str,
        link: str, remark: str, only: bool, request: gr.Request,
    ) -> tuple[str, Update, Update, Update]:  # fmt: skip
        page, word = _submitted(
            service, path, _address(service, request), name=name, team=team,
            institution=institution, authors=authors, contact=contact, link=link, remark=remark,
            evaluate_only=only,
        )  # fmt: skip
        known = gr.update(value=word) if word else gr.update()
        return page, known, gr.update(active=bool(word)), gr.update(value=None)

    def watch(word: str) -> tuple[str, Update]:
        page, waits = service.status_page(word) if word.strip() else ("", False)
        return page, gr.update(active=waits)

    send.click(
        submit, fields, [answer, receipt, timer, fields[0]], concurrency_limit=2,
        concurrency_id="submit", api_visibility="private",
    )  # fmt: skip
    for event in (timer.tick, receipt.change):
        event(watch, receipt, [status, timer], api_visibility="private", show_progress="hidden")


def _registration_form() -> list[Any]:
    """Lay the form out; its fields stand in the order in which `submit` takes them."""
    with gr.Row():
        with gr.Column():
            upload = gr.File(
                label="Answers (.json, .jsonl)", file_types=[".json", ".jsonl"], elem_id="upload"
            )
            only = gr.Checkbox(
                label="Evaluate only: tell me the place it would have, and do not list it",
                elem_id="evaluate-only",
            )
        with gr.Column():
            name = gr.Textbox(label="Model name", max_length=80, elem_id="name")
            team = gr.Textbox(label="Team", max_length=80, elem_id="team")
            institution = gr.Textbox(label="Institution", max_length=120, elem_id="institution")
            with gr.Accordion("More about the team", open=False):
                authors = gr.Textbox(label="Authors", max_length=600, elem_id="authors")
                contact = gr.Textbox(label="E-mail, never shown", max_length=254, elem_id="contact")
                link = gr.Textbox(label="Page of the model", max_length=300, elem_id="link")
                remark = gr.Textbox(label="Remark", max_length=600, elem_id="remark")
    return [upload, name, team, institution, authors, contact, link, remark, only]


def _submitted(
    service: BoardService, path: str | None, address: str, **fields: object
) -> tuple[str, str]:
    """Take an upload; Gradio deletes its file some time later."""
    try:
        registration = Registration.of(**fields)
    except SubmissionError as error:
        return pages.refusal_page(error), ""
    if not path:
        missing = SubmissionError("there is no file.", field="answers", action="Choose one.")
        return pages.refusal_page(missing), ""
    file = Path(path)
    # The file stays: Gradio keeps equal contents once, so it may be another team's upload too.
    return service.submit(file, registration, file.name, address)


def _entries_tab(app: gr.Blocks, service: BoardService, tab: gr.Tab) -> None:
    with gr.Row():
        entry = gr.Dropdown([], label="Entry", elem_id="entry", interactive=True)
        team = gr.Dropdown([], label="History of a team", elem_id="history-team", interactive=True)
    page = gr.HTML(elem_id="entry-page", apply_default_css=False)
    history = gr.HTML(elem_id="history", apply_default_css=False)

    def fill() -> tuple[Update, Update]:
        return gr.update(choices=service.names()), gr.update(choices=service.teams())

    for event in (app.load, tab.select):
        event(fill, None, [entry, team], api_visibility="private")
    entry.change(service.entry_page, entry, page, api_visibility="private")
    team.change(service.history_page, team, history, api_visibility="private")


def _plots_tab(app: gr.Blocks, service: BoardService, tab: gr.Tab) -> None:
    chosen = gr.Dropdown(
        [], multiselect=True, max_choices=MOST_ENTRIES, label=f"Entries, at most {MOST_ENTRIES}",
        elem_id="plotted", interactive=True,
    )  # fmt: skip
    with gr.Row(equal_height=False):
        radar = gr.Plot(show_label=False, elem_id="radar", format="png", scale=2)
        bars = gr.Plot(show_label=False, elem_id="bars", format="png", scale=3)

    def fill(now: list[str] | None) -> tuple[Update, Figure, Figure]:
        names = service.names()
        kept = [name for name in now or [] if name in names] or names[:3]
        return gr.update(choices=names, value=kept), *service.figures(kept)

    for event in (app.load, tab.select):
        event(fill, chosen, [chosen, radar, bars], api_visibility="private")
    chosen.input(service.figures, chosen, [radar, bars], api_visibility="private")


def _compare_tab(app: gr.Blocks, service: BoardService, tab: gr.Tab) -> None:
    with gr.Row():
        first = gr.Dropdown([], label="Entry A", elem_id="first", interactive=True)
        second = gr.Dropdown([], label="Entry B", elem_id="second", interactive=True)
    source, task, row = _row_chooser(service)
    page = gr.HTML(elem_id="comparison", apply_default_css=False)
    sheet = gr.Image(
        show_label=False, elem_id="sheet", visible=False, format="jpeg",
        buttons=["download", "fullscreen"],
    )  # fmt: skip

    def fill() -> tuple[Update, Update]:
        names = service.names(answered=True)
        return gr.update(choices=names), gr.update(choices=names)

    def narrow(source: str, task: str) -> Update:
        return gr.update(choices=service.row_choices(source, task), value=None)

    def compare(a: str | None, b: str | None, index: int | None) -> tuple[str, Update]:
        html, picture = service.compare(a, b, index)
        return html, _picture(picture)

    for event in (app.load, tab.select):
        event(fill, None, [first, second], api_visibility="private")
    for choice in (source, task):
        choice.input(narrow, [source, task], row, api_visibility="private")
    for choice in (first, second, row):
        choice.change(compare, [first, second, row], [page, sheet], api_visibility="private")


def _row_chooser(service: BoardService) -> tuple[gr.Dropdown, gr.Dropdown, gr.Dropdown]:
    """Choose a row of the truth, of one source or task where there are many."""
    sources = sorted({row.source for row in service.questions.rows})
    tasks = [task.value for task in TaskName]
    with gr.Row():
        source = gr.Dropdown([("all", ""), *((s, s) for s in sources)], value="", label="Source")
        task = gr.Dropdown(
            [("all", ""), *((t.replace("_", " "), t) for t in tasks)], value="", label="Task",
            elem_id="compare-task",
        )  # fmt: skip
        row = gr.Dropdown(
            service.row_choices(None, None), label="Row", elem_id="row", interactive=True,
            value=None,
        )  # fmt: skip
    return source, task, row


def _picture(picture: RgbArray | None) -> Update:
    found: Update = gr.update(value=picture, visible=picture is not None)
    return found


def _admin_tab(service: BoardService) -> None:
    with gr.Row():
        token = gr.Textbox(label="Token", type="password", elem_id="token")
        act = gr.Dropdown([_QUEUE, *ACTS], value=_QUEUE, label="Act", elem_id="act")
        entry = gr.Textbox(label="Entry: its name, or # and its number", elem_id="admin-entry")
        name = gr.Textbox(label="New name", elem_id="new-name")
    do = gr.Button("Do it", elem_id="do")
    page = gr.HTML(elem_id="admin-page", apply_default_css=False)

    def run(token: str, act: str, entry: str, name: str, request: gr.Request) -> str:
        return service.admin(token, _address(service, request), act, entry, name)

    do.click(run, [token, act, entry, name], page, api_visibility="private")


def _board_api(service: BoardService) -> Any:  # noqa: ANN401 - a function Gradio inspects
    def board(profile: str = "official", scope: str = _ALL) -> dict[str, Any]:
        """The table as JSON, under the official or the strict rules."""
        import json

        chosen: Profile = "strict" if profile == "strict" else "official"
        table = service.board(chosen, scope, published=True)
        found: dict[str, Any] = json.load(io.BytesIO(export_json(table)))
        return found

    return board


def _address(service: BoardService, request: gr.Request) -> str:
    host = request.client.host if request.client else None
    headers = {name.lower(): value for name, value in dict(request.headers).items()}
    return client_address(host, headers, service.settings.trusted_proxies)


def _rules(service: BoardService) -> str:
    mib = service.settings.max_upload_bytes / (1 << 20)
    return (
        f"A JSON list of `{{id, qa_type, prediction}}` in the order of the test file, "
        f"{len(service.questions.rows):,} records, at most {mib:g} MiB. "
        "`medvid submission check` says beforehand what would be refused."
    )


def _about(service: BoardService) -> str:
    settings = service.settings
    shown = "The truth is shown beside answers." if settings.show_truth else (
        "The truth stays on the server."
    )  # fmt: skip
    return (
        f"{len(service.questions.rows):,} rows of *{_plain_markdown(service.questions.name)}*, "
        f"ten columns, official rules and strict ones. {shown}"
    )


def _plain_markdown(text: str) -> str:
    """An operator's text without markup."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()<>#+-.!|~$" else c for c in text)
