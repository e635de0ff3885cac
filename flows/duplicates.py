"""Near-duplicate media of a build: fingerprints of the media check in, edges out.

The media check hashes frames while it decodes them, so that a fingerprint is made once for known
bytes and costs no decoding of its own. The search over all fingerprints is one unit: it runs again
when a video comes, goes or changes its bytes, and for no change of a label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flows.sources import VideoState
from flows.stages import FINGERPRINT_FILE, FRAMES_FILE
from medvid.media import nearest_to_seconds
from medvid.releases.keys import code_key
from medvid.releases.units import Executor, Progress, Unit, run_stage
from medvid.releases.workspace import Workspace
from medvid.splits import (
    DuplicateReport,
    DuplicateSettings,
    Fingerprint,
    MediaEdge,
    find_duplicates,
)
from schemas.errors import ReleaseError
from schemas.hashing import content_key
from schemas.timeline import TimeBase

EDGES_FILE = "duplicates.json"
STAGE = "duplicates"
_TIMEOUT_S = 7200.0


@dataclass(frozen=True, slots=True)
class PrintPayload:
    """Where a video's fingerprint lies.

    Attributes:
        name: `source/video_id`.
        folder: Folder of its finished media check.
        time_base: How it counts frames.
    """

    name: str
    folder: Path
    time_base: TimeBase


@dataclass(frozen=True, slots=True)
class SearchPayload:
    """A search over a whole build.

    Attributes:
        prints: Where the fingerprints lie.
        settings: When two videos count as the same footage.
    """

    prints: tuple[PrintPayload, ...]
    settings: DuplicateSettings


def search_unit(work: Path, payload: SearchPayload) -> dict[str, Any]:
    """Search the fingerprints of a whole build."""
    prints = [load_fingerprint(item) for item in payload.prints]
    report = find_duplicates(prints, payload.settings)
    (work / EDGES_FILE).write_bytes(report.model_dump_json().encode())
    return {"ok": True, "edges": len(report.edges), "candidates": report.candidates}


def load_fingerprint(item: PrintPayload) -> Fingerprint:
    """Read a fingerprint, with the playback time of each frame, thinned to one a second."""
    with (
        np.load(item.folder / FINGERPRINT_FILE, allow_pickle=False) as stored,
        np.load(item.folder / FRAMES_FILE, allow_pickle=False) as frames,
    ):
        number, hashes, detail = stored["number"], stored["hashes"], stored["detail"]
        if "pts" in frames:
            numerator, denominator = (int(value) for value in frames["time_base"])
            ticks = frames["pts"][number] - frames["pts"][:1]
            time_s = ticks * numerator / denominator
        else:
            kept = np.isin(number, frames["index"]) & (number >= item.time_base.first_index)
            number, hashes, detail = number[kept], hashes[kept], detail[kept]
            rate = item.time_base.tick_rate
            ticks = item.time_base.ticks_of_indices(number)
            time_s = ticks * rate.denominator / rate.numerator
    places = nearest_to_seconds(time_s) if time_s.size else np.zeros(0, dtype=np.int64)
    return Fingerprint(item.name, time_s[places], hashes[places], detail[places])


def plan_search(
    states: Sequence[VideoState], workspace: Workspace, settings: DuplicateSettings
) -> Unit | None:
    """The search over every video whose pictures are sound; None where fewer than two are.

    A video that yields no samples is searched too: whether it does must not move another's split.
    """
    named = sorted(
        (state.name, state.media, state.video.time_base)
        for state in states
        if state.media is not None and state.video is not None
    )
    done = workspace.finished([unit.key for _, unit, _ in named])
    sound = [item for item in named if item[1].key in done and done[item[1].key].info["ok"]]
    if len(sound) < 2:
        return None
    code = code_key(
        "medvid.splits:hamming.py", "medvid.splits:alignment.py", "medvid.splits:duplicates.py",
        "flows:duplicates.py",
    )  # fmt: skip
    key = content_key(STAGE, [[name, unit.key, base] for name, unit, base in sound], settings, code)
    prints = (PrintPayload(name, workspace.folder("media", u.key), base) for name, u, base in sound)
    payload = SearchPayload(tuple(prints), settings)
    return Unit(STAGE, "all videos", key, search_unit, payload, _TIMEOUT_S)


def search_duplicates(
    states: Sequence[VideoState],
    workspace: Workspace,
    settings: DuplicateSettings,
    execute: Executor,
    progress: Progress,
) -> None:
    """Bring the search up to date.

    Raises:
        ReleaseError: The machine failed it: a release must not leave without its answer.
    """
    unit = plan_search(states, workspace, settings)
    if unit is None:
        return
    outcome = run_stage(workspace, STAGE, [unit], execute, progress)[unit.name]
    if outcome.record is None:
        raise ReleaseError(
            f"the search for videos of the same footage failed: {outcome.detail}",
            action="Run the build again with more memory or fewer workers.",
        )


def media_edges(
    states: Sequence[VideoState], workspace: Workspace, settings: DuplicateSettings
) -> tuple[MediaEdge, ...]:
    """Pairs of videos that show the same footage, sorted; none for a build without media.

    Args:
        states: Every video of the build, whether it reaches the release or not.
        workspace: Where the media checks and the search are finished.
        settings: When two videos count as the same footage.

    Raises:
        ReleaseError: The search is not finished.
    """
    unit = plan_search(states, workspace, settings)
    if unit is None:
        return ()
    if unit.key not in workspace.finished([unit.key]):
        raise ReleaseError(
            "the search for videos of the same footage is not done yet.",
            action="Run the build, then ask again.",
        )
    stored = (workspace.folder(STAGE, unit.key) / EDGES_FILE).read_bytes()
    return DuplicateReport.model_validate_json(stored).edges
