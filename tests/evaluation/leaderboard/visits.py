"""A leaderboard served as a person serves it, and a browser that visits it."""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECRET = "zygomatic"
"""A word that stands in the truth alone: wherever it is seen, the truth has left the server."""

TOKEN = "a-token-of-some-length"
WAIT_MS = 60_000


class Server:
    """A server on a free port of loopback, started as a person starts it."""

    def __init__(self, truth: Path, folder: Path) -> None:
        self.folder, self.truth = folder, truth
        self.database = folder / "board.sqlite"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MEDVID_")} | {
            "MEDVID_LEADERBOARD_ADMIN_TOKEN": TOKEN, "GRADIO_TEMP_DIR": str(folder / "cache"),
            "MEDVID_LEADERBOARD_MIN_GROUP_ROWS": "4",
        }  # fmt: skip
        self.log = (folder / "log").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "medvid.cli.main", "leaderboard", "serve", "--truth", str(truth),
             "--port", "0", "--database", f"sqlite:///{self.database}", "--json",
             "--uploads-per-hour", "0", "--team-uploads-per-day", "0", "--max-upload-mib", "2"],
            stdout=subprocess.PIPE, stderr=self.log, env=environment, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = ""
        for line in self.process.stdout:
            if '"url"' in line:
                self.url = line.split('"')[3]
                break
        assert self.url, (folder / "log").read_text(encoding="utf-8")

    def close(self) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.log.close()

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, Any]:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers
        finally:
            connection.close()


class Visitor:
    """A page, with whatever it asked others for and every dialog it opened."""

    def __init__(self, browser: Any, server: Server) -> None:
        self.server = server
        self.outside: list[str] = []
        self.dialogs: list[str] = []
        self.page = browser.new_page(viewport={"width": 1400, "height": 1000})
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("request", self._asked)
        self.page.on("dialog", self._opened)
        self.page.goto(server.url)
        self.page.wait_for_selector("#board-table")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.server.url, "data:", "blob:")):
            self.outside.append(request.url)

    def _opened(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def choose_file(self, path: Path) -> None:
        self.page.set_input_files("#upload input[type=file]", str(path))

    def submit(self, path: Path, name: str, *, team: str = "team", only: bool = False) -> str:
        """Send a form and return what the page answers."""
        self.tab("Submit")
        self.choose_file(path)
        self.page.wait_for_selector(f"#upload >> text={path.stem}")
        for box, text in (("name", name), ("team", team), ("institution", "Uni")):
            self.page.fill(f"#{box} input, #{box} textarea", text)
        self.page.set_checked("#evaluate-only input", only)
        before = self.answer()
        self.page.click("#send")
        # While the server works, the old answer stays, with a clock before it.
        self.page.wait_for_function(
            "before => { const now = document.querySelector('#answer .mv');"
            " return now && now.innerText !== before }", arg=before,
        )  # fmt: skip
        return self.answer()

    def answer(self) -> str:
        """What the page answered last, empty before the first time."""
        found = self.page.locator("#answer .mv")
        return str(found.inner_text()) if found.count() else ""

    def until_scored(self, name: str) -> str:
        self.page.wait_for_function(
            "name => { const t = document.querySelector('#status').innerText;"
            " return t.includes(name) && /(Scored\\.|Not scored)/.test(t) }", arg=name,
        )  # fmt: skip
        return str(self.page.inner_text("#status"))

    def board(self) -> list[str]:
        """Names on the board in its order."""
        self.tab("Leaderboard")
        self.page.click("#refresh")
        self.page.wait_for_timeout(800)
        names = self.page.locator("#board-table .model").all_inner_texts()
        return [str(name) for name in names]

    def choose(self, box: str, text: str) -> None:
        self.page.click(f"#{box} input")
        self.page.locator("ul[role=listbox] li").filter(has_text=text).first.click()


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / f"{name}.json"
    path.write_bytes(
        content if isinstance(content, bytes) else json.dumps(content, indent=0).encode()
    )
    return path
