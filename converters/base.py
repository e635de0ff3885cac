"""What a converter is."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from schemas.annotation import VideoAnnotation
from schemas.source import SourceSpec
from schemas.video import Recording


@runtime_checkable
class Converter(Protocol):
    """Reads one dataset's native files; stateless, picklable, writes nothing.

    A converter never downloads, writes, caches, prints, plots, splits or swallows errors. Faulty
    records inside a video become `VideoAnnotation.issues`; a video that cannot be read as a whole
    raises a `SourceError`, which the flow turns into a quarantine row.
    """

    @property
    def spec(self) -> SourceSpec:
        """Facts about the source."""
        ...

    def discover(self, root: Path) -> list[Recording]:
        """List the recordings under a root, sorted by video id; cheap, one item a video.

        Raises:
            MissingSourceError: The root holds no recording of this source.
        """
        ...

    def convert(self, recording: Recording) -> VideoAnnotation:
        """Read one recording into the shared schema; pure.

        Raises:
            MissingSourceError: A file of the recording is not there.
            MalformedSourceError: A file cannot be read as its format says.
            UnknownLabelError: A label stands in no vocabulary.
        """
        ...
