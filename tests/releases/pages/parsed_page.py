"""A page as a reader meets it: its tables by cell, its pictures, links, ids and words."""

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr", "base"}
PLAIN = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "nav", "ul",
    "li", "a", "h1", "h2", "h3", "p", "dl", "dt", "dd", "div", "table", "thead", "tbody", "tr",
    "th", "td", "span", "code", "pre", "details", "summary", "figure", "figcaption", "strong",
    "img", "svg", "g", "defs", "path", "use", "text", "rect", "clippath",
}  # fmt: skip


@dataclass
class Page(HTMLParser):
    """A page taken apart: attributes by tag, text by id, tables by id."""

    tags: Counter[str] = field(default_factory=Counter)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    drawn: list[list[str]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._table = ""
        self._filled: dict[int, tuple[int, str]] = {}

    @classmethod
    def of(cls, payload: bytes) -> "Page":
        """Take a whole page apart."""
        page = cls()
        page.feed(payload.decode())
        page.close()
        assert not page._open
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        known = dict(attrs)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._table = known["id"] or ""
            self.tables[self._table] = []
            self._filled = {}
        elif tag == "tr":
            row = self.tables[self._table]
            row.append([])
            self._carry(row[-1])
        elif tag in ("td", "th"):
            line = self.tables[self._table][-1]
            line.append("")
            if int(known.get("rowspan") or 1) > 1:
                self._filled[len(line) - 1] = (int(known["rowspan"] or 1) - 1, "")
        elif tag == "svg":
            self.drawn.append([])
        elif tag == "text":
            self.drawn[-1].append("")
        elif "id" in known and tag == "pre":
            self.texts[known["id"] or ""] = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close a tag, which must be the one that is open."""
        assert self._open.pop() == tag
        if tag in ("td", "th"):
            line = self.tables[self._table][-1]
            line[-1] = line[-1].strip()
            left, _ = self._filled.get(len(line) - 1, (0, ""))
            if left:
                self._filled[len(line) - 1] = (left, line[-1])
            self._carry(line)

    def _carry(self, line: list[str]) -> None:
        """Repeat what a heading of an earlier line spans."""
        place = len(line)
        left, text = self._filled.get(place, (0, ""))
        if left and text:
            line.append(text)
            self._filled[place] = (left - 1, text)

    def handle_data(self, data: str) -> None:
        """Collect text where it stands."""
        self.text += data
        if any(tag in ("td", "th") for tag in self._open):
            self.tables[self._table][-1][-1] += data
        elif "text" in self._open:
            self.drawn[-1][-1] += data
        elif "pre" in self._open and self.texts:
            self.texts[list(self.texts)[-1]] += data

    def numbers(self, table: str, heads: int) -> dict[tuple[str, ...], list[int | None]]:
        """Counts of a table by its headings; None where there is none."""
        return {
            tuple(row[:heads]): [cell_number(cell) for cell in row[heads:]]
            for row in self.tables[table][1:]
        }


def cell_number(cell: str) -> int | None:
    digits = cell.replace(",", "")
    return int(digits) if digits.isdigit() else None
