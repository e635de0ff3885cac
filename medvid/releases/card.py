"""The data card of a release: `README.md` as the Hugging Face Hub reads it, checked offline."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, Template

from medvid.releases.card_check import (
    HUB_LICENCES,
    SIZE_CATEGORIES,
    TASK_CATEGORIES,
    check_card,
)
from medvid.releases.facts import ReleaseFacts
from medvid.releases.report_tables import (
    ALL,
    SPLITS,
    Cell,
    Row,
    Table,
    fault_table,
    folder_table,
    question_table,
    sample_table,
    split_table,
)
from medvid.releases.selection_tables import quota_table, selection_notes, subset_table
from medvid.releases.terms import DUTIES, PERMISSIONS, Terms, listed, strictest_terms
from schemas.source import DataCard

__all__ = ["check_card", "known_limits", "plain_text", "render_card", "size_category"]

TEMPLATE = "card.md"
LABEL_SUFFIX = "_label"
"""Ends the question types whose captions are composed from labels."""


def render_card(facts: ReleaseFacts) -> bytes:
    """Render `README.md`: YAML front matter for the Hub, then the card for people.

    What comes from cards and native files is escaped, so that it stays text in Markdown.
    """
    cards = [source.card for source in facts.sources.values()]
    terms = strictest_terms(cards)
    text = _template().render(
        facts=facts,
        front=_front_matter(facts, terms),
        total=sum(count.samples for count in facts.counts),
        videos=sum(facts.videos.values()),
        titles=listed(card.title for card in cards),
        procedures=listed(_procedures(cards)),
        by_source=_by_source(facts),
        by_question=question_table(facts),
        by_split=split_table(facts),
        notes=selection_notes(facts),
        quotas=quota_table(facts),
        subsets=subset_table(facts),
        folders=folder_table(facts),
        faults=fault_table(facts),
        split=_first_split(facts),
        subset="standard" if _in_standard(facts) and _first_split(facts) == "train" else "large",
        selfcontained=bool(facts.shards.get("standard-selfcontained")),
        terms=terms,
        licences=_licence_table(facts, terms),
        citations="\n\n".join(card.citation.strip() for card in cards),
        limits=known_limits(facts),
    )
    return (re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n").encode()


def _procedures(cards: Iterable[DataCard]) -> list[str]:
    return sorted({procedure for card in cards for procedure in card.procedures})


def _front_matter(facts: ReleaseFacts, terms: Terms) -> str:
    total = sum(count.samples for count in facts.counts)
    fields: dict[str, Any] = {
        "pretty_name": facts.name,
        "language": ["en"],
        **_licence_fields(terms),
        "task_categories": list(TASK_CATEGORIES),
        "size_categories": [size_category(total)],
        "tags": _tags(facts),
        "configs": _configs(facts),
    }
    dumped = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{dumped}---\n"


def _tags(facts: ReleaseFacts) -> list[str]:
    shown = _procedures(source.card for source in facts.sources.values())
    slugs = (re.sub(r"[^a-z0-9]+", "-", procedure.lower()).strip("-") for procedure in shown)
    return ["medical", "video", "webdataset", *sorted(facts.sources), *filter(None, slugs)]


def size_category(samples: int) -> str:
    """The Hub's name for so many samples.

    >>> size_category(999), size_category(51_505), size_category(531_850)
    ('n<1K', '10K<n<100K', '100K<n<1M')
    """
    fitting = [name for bound, name in SIZE_CATEGORIES.items() if samples < bound]
    return fitting[0] if fitting else list(SIZE_CATEGORIES.values())[-1]


def _licence_fields(terms: Terms) -> dict[str, str]:
    """One known licence by its id; else `other`, named after all that apply."""
    if len(terms.licences) == 1 and terms.licences[0].id in HUB_LICENCES:
        return {"license": terms.licences[0].id}
    fields = {
        "license": "other",
        "license_name": "-and-".join(licence.id for licence in terms.licences),
    }
    urls = {licence.url for licence in terms.licences}
    if len(urls) == 1 and (url := urls.pop()) is not None:
        fields["license_link"] = url
    return fields


def _configs(facts: ReleaseFacts) -> list[dict[str, Any]]:
    splits = {count.split for count in facts.counts if count.samples}
    globs = {"large": [(split, f"large/{split}-*.tar") for split in SPLITS if split in splits]}
    if _in_standard(facts):
        globs["standard"] = [("train", "standard/train-*.tar")]
    if facts.shards.get("standard-selfcontained"):
        globs["standard-selfcontained"] = [("train", "standard-selfcontained/train-*.tar")]
    if facts.shards.get("media"):
        globs["frames"] = [("train", "media/*.tar")]
    configs: list[dict[str, Any]] = [
        {
            "config_name": name,
            "data_files": [{"split": split, "path": path} for split, path in found],
        }
        for name, found in globs.items()
        if found
    ]
    if configs:
        configs[0]["default"] = True
    return configs


def _in_standard(facts: ReleaseFacts) -> int:
    return sum(count.in_standard for count in facts.counts)


def _first_split(facts: ReleaseFacts) -> str:
    found = {count.split for count in facts.counts if count.samples}
    return next((split for split in SPLITS if split in found), SPLITS[0])


def _by_source(facts: ReleaseFacts) -> Table:
    table = sample_table(facts)
    rows = tuple(Row(row.heads[:1], row.cells) for row in table.rows if row.heads[1] == ALL)
    return Table(table.heads[:1], table.columns, rows)


def _licence_table(facts: ReleaseFacts, terms: Terms) -> Table:
    flags = {**PERMISSIONS, **DUTIES}
    rows = []
    for flag, words in flags.items():
        given = [getattr(s.card.licence, flag) for s in facts.sources.values()]
        cells = ["yes" if yes else "no" for yes in (*given, terms.flags[flag])]
        rows.append(Row((words,), tuple(cells)))
    return Table(("term",), (*facts.sources, "release"), tuple(rows))


def known_limits(facts: ReleaseFacts) -> list[str]:
    """What a user of the release must know, one sentence each, as far as the facts tell."""
    written = sorted({c.qa_type for c in facts.counts if c.qa_type.endswith(LABEL_SUFFIX)})
    limits = []
    if written:
        limits.append(
            f"Captions of {', '.join(written)} are composed from the native labels by rule: they "
            "say what the labels say and nothing else that can be seen in the video."
        )
    limits += [
        "Times are clip-relative seconds of sampled frames, boxes are pixels of the original "
        "image; neither is finer than the native labels.",
        "What a label does not mention is unknown, not absent.",
    ]
    rows = sum(row.rows for row in facts.quarantine)
    if rows:
        limits.append(f"{rows:,} native records, files or videos could not be used.")
    without = sum(source.videos.get("without samples", 0) for source in facts.sources.values())
    if without:
        limits.append(f"{without:,} videos gave no sample.")
    if not facts.frames:
        limits.append("There are no pictures: frames must be taken from the native files.")
    return limits


@cache
def _template() -> Template:
    environment = Environment(  # Markdown: every text passes a filter of its own
        autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "count": lambda number: f"{number:,}",
        "text": plain_text,
        "table": _markdown_table,
        "link": _link,
        "fenced": _fenced,
    }
    return environment.from_string((files(__package__) / TEMPLATE).read_text(encoding="utf-8"))


def plain_text(text: str) -> str:
    r"""Escape text so that Markdown shows it as it is, on one line.

    >>> plain_text("a_b | <c>")
    'a\\_b \\| &lt;c&gt;'
    """
    line = " ".join(text.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", line)
    line = re.sub(r"^([#+=-])", r"\\\1", line)
    return re.sub(r"^(\d+)([.)])(?= |$)", r"\1\\\2", line)


def _link(text: str, address: str | None) -> str:
    """A link where the address is one that Markdown cannot misread, else plain text."""
    if address is not None and re.fullmatch(r"https?://[A-Za-z0-9._~:/?#@!&*+,;=%-]+", address):
        return f"[{plain_text(text)}]({address})"
    return plain_text(text)


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _markdown_table(table: Table) -> str:
    if not table.rows:
        return "None."
    numbers = [isinstance(cell, int) for cell in table.rows[0].cells]
    lines = [
        _line((*table.heads, *table.columns)),
        "|" + "---|" * len(table.heads) + "".join("---:|" if n else "---|" for n in numbers),
    ]
    lines.extend(_line((*row.heads, *row.cells)) for row in table.rows)
    return "\n".join(lines)


def _line(cells: tuple[Cell, ...]) -> str:
    shown = [f"{c:,}" if isinstance(c, int) else plain_text(c or "") for c in cells]
    return f"| {' | '.join(shown)} |"
