"""How the pairs of a release were chosen, as tables and sentences of report and card."""

from medvid.releases.facts import ReleaseFacts
from medvid.releases.report_tables import Row, Table, with_sum
from medvid.splits import HELD_OUT, OVER_QUOTA, PUBLISHED_SOURCES, Quota
from schemas.errors import bounded

REASONS = {
    HELD_OUT: "pairs of test identities beyond the counts of test; they must not train either",
    OVER_QUOTA: "pairs beyond the quota of their source",
}
"""Why a pair is in no split."""


def quota_table(facts: ReleaseFacts) -> Table:
    """Pairs asked of each source, what it could give, and the closest reachable table."""
    return _quotas("source", facts.selection.sources if facts.selection else {})


def task_table(facts: ReleaseFacts) -> Table:
    """The same of test, by task."""
    return _quotas("task", facts.selection.tests if facts.selection else {})


def _quotas(head: str, quotas: dict[str, Quota]) -> Table:
    rows = tuple(
        Row((name,), (quota.requested, quota.available, quota.reached, quota.closest))
        for name, quota in quotas.items()
    )
    columns = ("asked for", "available", "reached", "closest reachable")
    return with_sum(Table((head,), columns, rows))


def subset_table(facts: ReleaseFacts) -> Table:
    """Members of each named subset by task."""
    subsets = facts.selection.subsets if facts.selection else {}
    tasks = sorted({task for subset in subsets.values() for task in subset.tasks})
    rows = tuple(
        Row((name,), (subset.requested, *(subset.tasks.get(task, 0) for task in tasks),
                      subset.selected))
        for name, subset in subsets.items()
    )  # fmt: skip
    return Table(("subset",), ("asked for", *tasks, "all tasks"), rows)


def left_out_table(facts: ReleaseFacts) -> Table:
    """Pairs that are in no split, by reason."""
    left_out = facts.selection.left_out if facts.selection else {}
    rows = tuple(Row((name,), (count, REASONS[name])) for name, count in left_out.items())
    return with_sum(Table(("reason",), ("pairs", "which"), rows))


def leak_table(facts: ReleaseFacts) -> Table:
    """Identities that official splits part, with their videos by split."""
    splits = sorted({split for leak in facts.leaks for split in leak.videos})
    rows = tuple(
        Row(
            (bounded(leak.identities),),
            tuple(bounded(leak.videos.get(split, ())) or "-" for split in splits),
        )
        for leak in facts.leaks
    )
    return Table(("identities",), tuple(splits), rows)


def selection_notes(facts: ReleaseFacts) -> list[str]:
    """How splits and sizes came about, and what fell short, a sentence each."""
    if facts.selection is None:
        return []
    notes = []
    if facts.split_mode == "native":
        parted = sum(len(leak.identities) for leak in facts.leaks)
        notes.append(
            "Splits are the sources' official ones, each made without regard to the others: "
            f"{parted:,} identities stand in two splits or are joined with one that does."
        )
        notes.extend(
            f"{count:,} videos of {source} are named by no official split and were placed by hash, "
            "or with videos that share their identity."
            for source, count in facts.unlisted.items()
        )
    if facts.media_edges:
        notes.append(
            f"{facts.media_edges:,} pairs of videos show the same footage and stay together."
        )
    return [*notes, *_size_notes(facts), *facts.selection.shortfalls()]


def _size_notes(facts: ReleaseFacts) -> list[str]:
    report = facts.selection
    if report is None:
        return []
    notes = []
    if report.quota_origin == "published":
        published = sum(PUBLISHED_SOURCES[source] for source in report.sources)
        notes.append(
            f"Sources have quotas in proportion to the only published figure, whose counts for "
            f"these sources sum to {published:,}, scaled to {report.large_requested or 0:,} pairs; "
            "the true table behind that number is not public."
        )
    elif report.quota_origin == "given":
        notes.append("Sources have quotas that the settings give.")
    if report.tests:
        asked = sum(quota.requested for quota in report.tests.values())
        reached = sum(quota.reached for quota in report.tests.values())
        notes.append(
            f"Test is {reached:,} of {asked:,} pairs asked for by task, drawn from test identities "
            "and fair over sources, labels and videos; other pairs of these identities are in no "
            "split."
        )
    return notes
