"""How far apart the pictures of clips lie, which trainers do not read from rows."""

from medvid.releases.sheets import frame_times
from schemas.sample import Sample


class Spacing:
    """Mean seconds between the pictures of a clip: the least and the most of each source."""

    def __init__(self) -> None:
        self._bounds: dict[str, tuple[float, float]] = {}
        self._clips: set[str] = set()

    def add(self, sample: Sample) -> None:
        """Take in the clip of a sample."""
        count = len(sample.frame_index)
        if count < 2 or sample.clip_id in self._clips:
            return
        self._clips.add(sample.clip_id)
        mean = frame_times(sample)[-1] / (count - 1)
        least, most = self._bounds.get(sample.source, (mean, mean))
        self._bounds[sample.source] = (min(least, mean), max(most, mean))

    def bounds(self) -> tuple[tuple[str, float, float], ...]:
        """Source, least and most, rounded to hundredths of a second, by source."""
        return tuple(
            (source, round(least, 2), round(most, 2))
            for source, (least, most) in sorted(self._bounds.items())
        )
