"""What a synthetic native tree is: made-up data in a real dataset's names and formats."""

from pathlib import Path
from typing import Protocol


class SyntheticSource(Protocol):
    """Writes one dataset's native tree; found as `SYNTHETIC` of `medvid/synthetic/<name>.py`.

    Same arguments give the same bytes. Real names, formats and planted faults; drawn pictures.
    """

    name: str

    def write(
        self,
        root: Path,
        *,
        scale: float,
        seed: int = 0,
        media: bool = True,
        max_seconds: int | None = None,
        faults: bool = True,
    ) -> None:
        """Write the tree.

        Args:
            root: Folder to write into; made if absent, must be empty.
            scale: Share of the official number of videos; 1 is official size, 0 the smallest set
                that still shows every format and fault of the source.
            seed: Seed of every choice.
            media: Draw videos or frames too; without, only labels are written.
            max_seconds: Cut every video to this length; None keeps official lengths.
            faults: Plant the source's known faults.
        """
        ...
