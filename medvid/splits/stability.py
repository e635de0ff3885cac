"""How much of a selection changes when the pool does."""

import polars as pl

from schemas.scalars import Model


class MemberChange(Model):
    """Members of one source, before and after.

    Attributes:
        before: Members before.
        after: Members after.
        left: Those of before that are none any more.
        came: Those of after that were none.
    """

    before: int
    after: int
    left: int
    came: int

    @property
    def share(self) -> float:
        """Members that left or came, the larger of the two, as a share of those before."""
        return max(self.left, self.came) / self.before if self.before else float(self.came > 0)


def compare_members(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, MemberChange]:
    """Compare two selections source by source.

    Args:
        before: `sample_id` and `source` of each member before.
        after: The same after.

    Returns:
        By source, in alphabetical order.
    """
    left = before.join(after, on="sample_id", how="anti")
    came = after.join(before, on="sample_id", how="anti")
    counts = [
        dict(frame["source"].value_counts().iter_rows()) for frame in (before, after, left, came)
    ]
    return {
        source: MemberChange(
            before=counts[0].get(source, 0), after=counts[1].get(source, 0),
            left=counts[2].get(source, 0), came=counts[3].get(source, 0),
        )
        for source in sorted({*counts[0], *counts[1]})
    }  # fmt: skip
