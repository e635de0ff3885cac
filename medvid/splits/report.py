"""What was asked of a selection and what the pool could give, and the refusal where it is less."""

from medvid.splits.quotas import Quota
from schemas.errors import SplitError, bounded
from schemas.scalars import SCHEMA_VERSION, Model


class TaskSelection(Model):
    """One task in `standard`.

    Attributes:
        available: Its pairs in train.
        selected: Those of them in `standard`.
    """

    available: int
    selected: int

    @property
    def saturated(self) -> bool:
        """Whether every pair there is was taken."""
        return self.selected == self.available


class SubsetCount(Model):
    """A named subset.

    Attributes:
        requested: Its size as asked for; None where all was.
        selected: Its pairs.
        tasks: Its pairs by task.
    """

    requested: int | None
    selected: int
    tasks: dict[str, int]


class SelectionReport(Model):
    """What was asked for and what the pool could give.

    Attributes:
        pool: Pairs in all.
        splits: Pairs of `large` by split.
        requested: Size asked of `standard`.
        selected: Size it has.
        shortfall: What is missing from the size asked for.
        tasks: By task.
        large_requested: Size asked of `large`; None where all there is was asked for.
        large_selected: Size it has.
        quota_origin: Whether there are no quotas (`none`), the published shares scaled to
            `large_requested` (`published`), or the settings' own (`given`).
        sources: Quotas by source; empty without quotas.
        tests: Test pairs by task; empty where every pair of a test identity tests.
        subsets: Further subsets by name.
        left_out: Pairs in no split, by reason.
    """

    schema_version: int = SCHEMA_VERSION
    pool: int
    splits: dict[str, int]
    requested: int
    selected: int
    shortfall: int
    tasks: dict[str, TaskSelection]
    large_requested: int | None = None
    large_selected: int
    quota_origin: str = "none"
    sources: dict[str, Quota] = {}
    tests: dict[str, Quota] = {}
    subsets: dict[str, SubsetCount] = {}
    left_out: dict[str, int] = {}

    def shortfalls(self) -> list[str]:
        """What could not be reached, a sentence each, with the closest table that can be."""
        return [
            *_table_shortfall("large", "source", self.sources),
            *_table_shortfall("test", "task", self.tests),
            *_size_shortfall("standard", self.requested, self.selected),
            *(
                text
                for name, subset in self.subsets.items()
                for text in _size_shortfall(name, subset.requested, subset.selected)
            ),
        ]


def _table_shortfall(what: str, key: str, table: dict[str, Quota]) -> list[str]:
    short = [
        f"{name} {quota.reached} of {quota.requested}"
        for name, quota in table.items()
        if quota.missing
    ]
    if not short:
        return []
    setting = "quotas" if key == "source" else "test_counts"
    closest = ", ".join(f"{name}: {quota.closest}" for name, quota in table.items())
    return [
        f"{what} by {key} falls short: {bounded(short)}; the closest reachable table is "
        f"{setting}: {{{closest}}}, {sum(quota.closest for quota in table.values())} pairs."
    ]


def _size_shortfall(what: str, requested: int | None, selected: int) -> list[str]:
    if requested is None or selected >= requested:
        return []
    return [f"{what} needs {requested} pairs, train holds {selected}."]


def refuse_shortfall(report: SelectionReport) -> None:
    """Refuse a selection that is smaller than asked for.

    Raises:
        SplitError: It is; every shortfall is named with the closest reachable table.
    """
    short = report.shortfalls()
    if short:
        raise SplitError(
            " ".join(short),
            action="Ask for what can be reached, add sources, or set `splits.shortfall: report`.",
        )
