"""What listens to a build in tests: nobody, or somebody who counts."""

from medvid.releases.units import Outcome


class Silent:
    """Progress that nobody hears."""

    def start(self, stage: str, total: int, done: int) -> None:
        """Hear nothing."""

    def advance(self, stage: str, outcome: Outcome) -> None:
        """Hear nothing."""

    def finish(self, stage: str, seconds: float) -> None:
        """Hear nothing."""


class Counting(Silent):
    """Progress that counts the units each stage ran."""

    def __init__(self) -> None:
        self.ran: dict[str, int] = {}

    def start(self, stage: str, total: int, done: int) -> None:
        """Remember that the stage was there."""
        self.ran.setdefault(stage, 0)

    def advance(self, stage: str, outcome: Outcome) -> None:
        """Count a unit."""
        self.ran[stage] += 1
