"""What the workspace of a build still knows of one video: its records, their fates, their counts.

A release names the native records an answer stands on; what those records say, and what became of
the others, lies in the finished units of the build. Everything here is read, nothing is opened for
writing, and a build may run meanwhile.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import orjson

from medvid.releases.publish import RUN_FILE
from medvid.releases.workspace import ANNOTATION_FILE, FATES_FILE, FIXES_FILE, RESULT_FILE
from schemas.scalars import Model

LEDGER_FILE: Final = "ledger.sqlite"
STAGES: Final = ("convert", "correct", "media", "pairs")

_RECORD = re.compile(r"(?P<kind>segment|box|cvs):(?P<place>\d+)(?:@\d+)?")
_UNITS_OF = (
    "SELECT units.stage, units.key, units.info FROM units JOIN release_units USING (key) "
    "WHERE release_units.manifest = ? AND units.stage = ? AND units.unit = ?"
)


class RecordTrace(Model):
    """A native record as the annotation holds it.

    Attributes:
        record: Its name in `provenance`, e.g. `segment:3@5`.
        kind: `segment`, `box`, `cvs`, or what else the name begins with.
        text: What it says, e.g. the label; empty where the annotation is not at hand.
        start_s: Start in seconds of the video, None where it has no time or is not at hand.
        end_s: First second after.
        native_index: Its position in the native file, from 0, None where that names nothing.
        flags: Repairs and doubts.
        fate: `in_clip` or why a segment is in no clip; empty for other records.
    """

    record: str
    kind: str
    text: str = ""
    start_s: float | None = None
    end_s: float | None = None
    native_index: int | None = None
    flags: tuple[str, ...] = ()
    fate: str = ""


class NativeTrace(Model):
    """Where a video's labels come from.

    Attributes:
        workspace: Whether the workspace of the build is at hand.
        known: Whether it holds the annotation; a video that could not be converted has none.
        files: Label files, relative to the source root; empty where one file holds all videos.
        records_in: Native records read, by kind.
        issues: Faults found, each as file, line, field, reason and what was done.
        corrections: Annotators' corrections of the video with what became of each.
    """

    workspace: bool = False
    known: bool = False
    files: tuple[str, ...] = ()
    records_in: dict[str, int] = {}
    issues: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoWork:
    """Finished units of one video, as its release used them.

    Attributes:
        workspace: Whether the workspace of the build is at hand.
        info: What each stage told, by stage.
        annotation: The labels the pairs were made of, as plain JSON values; empty if not at hand.
        fates: By kind and place in the annotation, `in_clip` or why a segment is in no clip.
    """

    workspace: bool = False
    info: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    annotation: Mapping[str, Any] = field(default_factory=dict)
    fates: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def trace(self) -> NativeTrace:
        """Where the labels come from."""
        convert = self.info.get("convert", {})
        named = {str(issue["file"]) for issue in self.annotation.get("issues", ()) if issue["file"]}
        return NativeTrace(
            workspace=self.workspace,
            known=bool(self.annotation),
            files=tuple(convert.get("files") or sorted(named)),
            records_in=dict(convert.get("records_in", {})),
            issues=tuple(_issue_text(issue) for issue in self.annotation.get("issues", ())),
            corrections=self._corrections(),
        )

    def _corrections(self) -> tuple[str, ...]:
        """One line each; builds of before lines were kept tell id and fate."""
        correct = self.info.get("correct", {})
        ids = tuple(f"{name}: {fate}" for name, fate in correct.get("corrections", ()))
        return tuple(correct.get("history", ids))

    def segments(self) -> Sequence[Mapping[str, Any]]:
        """Labelled segments in the order that `segment:N` counts."""
        found: Sequence[Mapping[str, Any]] = self.annotation.get("segments", ())
        return found

    def seconds(self, tick: int) -> float:
        """Seconds of the video at a tick."""
        base = self.annotation["video"]["time_base"]
        return float(Fraction(tick * base["rate_den"], base["rate_num"]))

    def record(self, name: str) -> RecordTrace:
        """What a native record says; only its name where it is not at hand."""
        match = _RECORD.fullmatch(name)
        kind = name.partition(":")[0]
        if match is None:
            return RecordTrace(record=name, kind=kind, text=name.partition(":")[2])
        table = {"segment": "segments", "box": "boxes", "cvs": "cvs"}[kind]
        place, rows = int(match["place"]), self.annotation.get(table, ())
        if place >= len(rows):
            return RecordTrace(record=name, kind=kind)
        return getattr(self, f"_{kind}")(name, place, rows[place])  # type: ignore[no-any-return]

    def _segment(self, name: str, place: int, row: Mapping[str, Any]) -> RecordTrace:
        return RecordTrace(
            record=name, kind="segment", text=f"{row['kind']} {row['label']!r}",
            start_s=self.seconds(row["start"]), end_s=self.seconds(row["end"]),
            native_index=row["native_index"], flags=tuple(row["flags"]),
            fate=self.fates.get((row["kind"], place), ""),
        )  # fmt: skip

    def _box(self, name: str, _: int, row: Mapping[str, Any]) -> RecordTrace:
        corners = ", ".join(f"{value:g}" for value in row["xyxy"])
        at = self.seconds(row["tick"])
        return RecordTrace(
            record=name, kind="box", text=f"{row['label']!r} at ({corners})", start_s=at, end_s=at,
            flags=tuple(row["flags"]),
        )  # fmt: skip

    def _cvs(self, name: str, _: int, row: Mapping[str, Any]) -> RecordTrace:
        scores = [row[part] for part in ("two_structures", "cystic_plate", "hepatocystic_triangle")]
        return RecordTrace(
            record=name, kind="cvs", text=f"scores {scores}",
            start_s=self.seconds(row["start"]), end_s=self.seconds(row["end"]),
        )  # fmt: skip


def _issue_text(issue: Mapping[str, Any]) -> str:
    place = ":".join(str(part) for part in (issue["file"], issue["line"]) if part)
    parts = (place, issue["field"] or "", f"{issue['kind']} {issue['reason']}")
    return f"{' '.join(part for part in parts if part)} ({issue['disposition']}): {issue['detail']}"


def workspace_of(release: Path) -> Path | None:
    """The workspace a release was built in, None where that is not known or not here."""
    path = release / RUN_FILE
    try:
        root = Path(orjson.loads(path.read_bytes())["config"]["workspace"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return root if (root / LEDGER_FILE).is_file() else None


def load_work(root: Path | None, manifest_sha256: str, name: str, convert_key: str) -> VideoWork:
    """Read what a workspace holds of one video of a release.

    Args:
        root: The workspace; None for none.
        manifest_sha256: Hash of the release's manifest: only units it was made of are read.
        name: The video, `source/video_id`.
        convert_key: Content key of its conversion as `build.json` has it, for releases of before
            units were recorded by release.
    """
    if root is None:
        return VideoWork()
    units = _units(root, manifest_sha256, name)
    if "convert" not in units and convert_key:
        units["convert"] = (convert_key, _stored(root, "convert", convert_key))
    info = {stage: told for stage, (_, told) in units.items() if told}
    stage = "correct" if "correct" in units else "convert"
    annotation: Mapping[str, Any] = {}
    if stage in units:
        annotation = _read(root / "store" / stage / units[stage][0] / ANNOTATION_FILE) or {}
    fates = {}
    if "pairs" in units:
        rows = _read(root / "store" / "pairs" / units["pairs"][0] / FATES_FILE) or []
        fates = {(kind, place): fate for kind, place, fate in rows}
    return VideoWork(True, info, annotation, fates)


def rejected_by(root: Path | None, manifest_sha256: str, sample_id: str) -> str | None:
    """The video whose annotator rejected a pair, as `source/video_id`; None where nobody did."""
    if root is None:
        return None
    query = (
        "SELECT units.unit, units.key FROM units JOIN release_units USING (key) "
        "WHERE release_units.manifest = ? AND units.stage = 'correct' ORDER BY units.unit"
    )
    for name, key in _rows(root, query, (manifest_sha256,)):
        fixes = _read(root / "store" / "correct" / key / FIXES_FILE) or {}
        if any(found.startswith(sample_id) for found in fixes.get("rejected", ())):
            return str(name)
    return None


def _units(root: Path, manifest_sha256: str, name: str) -> dict[str, tuple[str, Any]]:
    found: dict[str, tuple[str, Any]] = {}
    for stage in STAGES:
        for _, key, info in _rows(root, _UNITS_OF, (manifest_sha256, stage, name)):
            found[stage] = (key, orjson.loads(info))
    return found


def _rows(root: Path, query: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Query the ledger without ever writing to it; nothing where it cannot be read."""
    place = f"{(root / LEDGER_FILE).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(place, uri=True)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.Error:
        return []


def _stored(root: Path, stage: str, key: str) -> Any:  # noqa: ANN401 - the JSON edge
    result = _read(root / "store" / stage / key / RESULT_FILE)
    return result["info"] if result else None


def _read(path: Path) -> Any:  # noqa: ANN401 - the JSON edge
    """A JSON file, None where it is gone or cut short, as when its unit is being collected."""
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
