"""The report's tables: counts arranged so that every sum stands beside its parts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from medvid.releases.facts import ReleaseFacts, SampleCount, SourceFacts
from medvid.splits import Split
from schemas.source import TaskName

Cell = int | str | None
"""A count, a text, or nothing to say."""

ALL = "all"
SPLITS = tuple(split.value for split in Split)
TASKS = tuple(task.value for task in TaskName)
_GOOD = ("with samples", "in_clip", "kept")
"""What a thing should become; stands first."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        heads: Names of the line; equal first names of consecutive lines are shown once.
        cells: One per column.
        kind: `sum` where the line adds up others, `part` where it is contained in one, or empty.
    """

    heads: tuple[str, ...]
    cells: tuple[Cell, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of counts.

    Attributes:
        heads: Names of the heading columns.
        columns: Names of the other columns.
        rows: Its lines.
    """

    heads: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def spanned(self) -> list[tuple[Row, list[tuple[str, int]]]]:
        """Lines with the headings to print and how many lines each spans."""
        lines = []
        for position, row in enumerate(self.rows):
            heads = [(name, 1) for name in row.heads]
            if len(heads) > 1:
                heads[:1] = [(row.heads[0], run)] if (run := self._run_from(position)) else []
            lines.append((row, heads))
        return lines

    def _run_from(self, position: int) -> int:
        """How many lines from here on share the first heading; 0 where one before does."""
        lead = self.rows[position].heads[0]
        if position and self.rows[position - 1].heads[0] == lead:
            return 0
        return sum(1 for _ in takewhile(lambda row: row.heads[0] == lead, self.rows[position:]))


def in_order(names: Iterable[str], order: Sequence[str]) -> list[str]:
    """Names in a known order, unknown ones after them by alphabet."""
    places = {name: place for place, name in enumerate(order)}
    return sorted(set(names), key=lambda name: (places.get(name, len(places)), name))


def sample_table(facts: ReleaseFacts) -> Table:
    """Samples by source and split (lines) and task (columns)."""
    tasks = in_order((count.task for count in facts.counts), TASKS)
    splits = _splits(facts)
    sources = in_order((*facts.sources, *(c.source for c in facts.counts)), list(facts.sources))
    rows: list[Row] = []
    for source in sources:
        own = [count for count in facts.counts if count.source == source]
        rows.extend(_sample_rows(source, own, tasks, splits))
    if len(sources) > 1:
        rows.extend(_sample_rows("all sources", facts.counts, tasks, splits))
    return Table(("source", "split"), (*tasks, "all tasks"), tuple(rows))


def _sample_rows(
    name: str, counts: Iterable[SampleCount], tasks: Sequence[str], splits: Sequence[str]
) -> list[Row]:
    cells: Counter[tuple[str, str]] = Counter()
    chosen: Counter[str] = Counter()
    for count in counts:
        cells[count.split, count.task] += count.samples
        chosen[count.task] += count.in_standard
    by_task = {split: [cells[split, task] for task in tasks] for split in splits}
    rows = [Row((name, split), (*line, sum(line))) for split, line in by_task.items()]
    totals = [sum(column) for column in zip(*by_task.values(), strict=True)]
    rows.append(Row((name, ALL), (*totals, sum(totals)), "sum"))
    standard = [chosen[task] for task in tasks]
    rows.append(Row((name, "in standard"), (*standard, sum(standard)), "part"))
    return rows


def question_table(facts: ReleaseFacts) -> Table:
    """Samples by task and question type."""
    cells: Counter[tuple[str, str, str]] = Counter()
    chosen: Counter[tuple[str, str]] = Counter()
    splits = _splits(facts)
    for count in facts.counts:
        cells[count.task, count.qa_type, count.split] += count.samples
        chosen[count.task, count.qa_type] += count.in_standard
    order = {task: place for place, task in enumerate(in_order((k[0] for k in chosen), TASKS))}
    rows = []
    for task, qa_type in sorted(chosen, key=lambda key: (order[key[0]], key[1])):
        line = [cells[task, qa_type, split] for split in splits]
        rows.append(Row((task, qa_type), (*line, sum(line), chosen[task, qa_type])))
    return with_sum(Table(("task", "question type"), (*splits, ALL, "in standard"), tuple(rows)))


def split_table(facts: ReleaseFacts) -> Table:
    """Identities, videos and samples by split."""
    samples: Counter[str] = Counter()
    standard: Counter[str] = Counter()
    for count in facts.counts:
        samples[count.split] += count.samples
        standard[count.split] += count.in_standard
    rows = tuple(
        Row(
            (split,),
            (
                facts.identities.get(split, 0), facts.videos.get(split, 0), samples[split],
                standard[split],
            ),
        )
        for split in _splits(facts)
    )  # fmt: skip
    columns = ("identities", "videos with samples", "samples", "in standard")
    return with_sum(Table(("split",), columns, rows))


def video_table(facts: ReleaseFacts) -> Table:
    """Videos by source and what became of them."""
    totals = _summed(source.videos for source in facts.sources.values())
    fates = _ranked(totals)
    rows = tuple(
        Row((name,), (*(source.videos.get(f, 0) for f in fates), sum(source.videos.values())))
        for name, source in facts.sources.items()
    )
    return with_sum(Table(("source",), (*fates, "all videos"), rows))


def record_table(facts: ReleaseFacts) -> Table:
    """Native records by source and kind: read, dropped for each reason, used."""
    rows: list[Row] = []
    for name, source in facts.sources.items():
        dropped = dropped_records(source)
        for kind in sorted({*source.records_in, *(kind for kind, _ in dropped)}):
            reasons = {reason: n for (found, reason), n in dropped.items() if found == kind}
            lost, read = sum(reasons.values()), source.records_in.get(kind)
            used = None if read is None else read - lost
            rows.append(Row((name, kind, ALL), (read, lost, used), "sum" if reasons else ""))
            rows.extend(
                Row((name, kind, reason), ("", number, ""), "part")
                for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
            )
    return Table(("source", "kind", "reason"), ("read", "dropped", "used"), tuple(rows))


def dropped_records(source: SourceFacts) -> dict[tuple[str, str], int]:
    """Dropped records by kind and reason."""
    found = ((_parts(key, 3), number) for key, number in source.issues.items())
    return {
        (kind, reason): number
        for (disposition, kind, reason), number in found
        if disposition == "dropped"
    }


def fault_table(facts: ReleaseFacts) -> Table:
    """Native records that were kept although something about them was wrong."""
    rows = []
    for name, source in facts.sources.items():
        for key, number in sorted(source.issues.items(), key=lambda item: (-item[1], item[0])):
            disposition, kind, reason = _parts(key, 3)
            if disposition != "dropped":
                rows.append(Row((name, disposition, kind, reason), (number,)))
    return with_sum(Table(("source", "what was done", "kind", "fault"), ("times",), tuple(rows)))


def segment_table(facts: ReleaseFacts) -> Table:
    """Segments by kind and fate (lines) and source (columns)."""
    totals = _summed(source.fates for source in facts.sources.values())
    kinds: dict[str, Counter[str]] = {}
    for key, number in totals.items():
        kind, fate = _parts(key, 2)
        kinds.setdefault(kind, Counter())[fate] += number
    rows: list[Row] = []
    for kind, fates in sorted(kinds.items()):
        lines = [
            [source.fates.get(f"{kind}:{fate}", 0) for source in facts.sources.values()]
            for fate in _ranked(fates)
        ]
        rows.extend(
            Row((kind, fate), _across(line, facts))
            for fate, line in zip(_ranked(fates), lines, strict=True)
        )
        summed = [sum(column) for column in zip(*lines, strict=True)]
        rows.append(Row((kind, ALL), _across(summed, facts), "sum"))
    return Table(("kind", "fate"), _source_columns(facts), tuple(rows))


def candidate_table(facts: ReleaseFacts) -> Table:
    """Clip candidates by fate (lines) and source (columns)."""
    return _by_source(facts, "candidates", ("fate",))


def drop_table(facts: ReleaseFacts) -> Table:
    """Questions that were not asked, by task and reason (lines) and source (columns)."""
    return _by_source(facts, "drops", ("task", "reason"))


def correction_table(facts: ReleaseFacts) -> Table:
    """Annotators' corrections by fate (lines) and source (columns)."""
    return _by_source(facts, "corrections", ("fate",))


def _by_source(facts: ReleaseFacts, field: str, heads: tuple[str, ...]) -> Table:
    tables: list[dict[str, int]] = [getattr(source, field) for source in facts.sources.values()]
    keys = _ranked(_summed(tables))
    if len(heads) > 1:
        keys.sort(key=lambda key: _parts(key, len(heads))[0])
    rows = tuple(
        Row(_parts(key, len(heads)), _across([table.get(key, 0) for table in tables], facts))
        for key in keys
    )
    return with_sum(Table(heads, _source_columns(facts), rows))


def quarantine_table(facts: ReleaseFacts) -> Table:
    """What stands in the quarantine, and what to do about it."""
    rows = tuple(
        Row((row.source, row.stage, row.kind, row.reason), (row.rows, row.action))
        for row in facts.quarantine
    )
    return with_sum(Table(("source", "stage", "kind", "reason"), ("rows", "what to do"), rows))


def folder_table(facts: ReleaseFacts) -> Table:
    """Shards and bytes by folder."""
    names = [*facts.bytes, *(name for name in facts.shards if name not in facts.bytes)]
    rows = tuple(
        Row((name,), (facts.shards.get(name, 0), facts.bytes.get(name, 0))) for name in names
    )
    return with_sum(Table(("folder",), ("tars", "bytes"), rows))


def _splits(facts: ReleaseFacts) -> list[str]:
    found = (count.split for count in facts.counts)
    return in_order((*SPLITS, *found, *facts.videos, *facts.identities), SPLITS)


def _source_columns(facts: ReleaseFacts) -> tuple[str, ...]:
    return (*facts.sources, "all sources") if len(facts.sources) > 1 else tuple(facts.sources)


def _across(line: Sequence[int], facts: ReleaseFacts) -> tuple[int, ...]:
    return (*line, sum(line)) if len(facts.sources) > 1 else tuple(line)


def with_sum(table: Table) -> Table:
    """Add a line that sums the counts, where there are lines to sum."""
    if len(table.rows) < 2:
        return table
    columns = zip(*(row.cells for row in table.rows), strict=True)
    sums: list[Cell] = [
        sum(cell for cell in column if isinstance(cell, int)) if isinstance(column[0], int) else ""
        for column in columns
    ]
    last = Row((ALL, *("" for _ in table.heads[1:])), tuple(sums), "sum")
    return Table(table.heads, table.columns, (*table.rows, last))


def _summed(tables: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return total


def _ranked(counts: Mapping[str, int]) -> list[str]:
    """Names by count, largest first; what things should become before all."""
    return sorted(counts, key=lambda name: (name not in _GOOD, -counts[name], name))


def _parts(key: str, number: int) -> tuple[str, ...]:
    """Cut `a:b:c` into so many parts; what is missing is empty."""
    parts = key.split(":", number - 1)
    return (*parts, *("" for _ in range(number - len(parts))))
