"""Check a release against its own words: hashes, tars, indexes, grammar, frames, splits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from pydantic import ValidationError

from data_cards import load_licences
from medvid.media import jpeg_size
from medvid.releases.publish import MANIFEST_FILE, RUN_FILE, read_manifest, read_run
from medvid.shards import scan_tar
from medvid.splits import check_leaks
from medvid.tasks import get_task
from schemas.errors import MediaError, MedVidError, SampleError, ShardError
from schemas.hashing import file_sha256
from schemas.sample import Sample
from schemas.tables import FRAMES, LEFT_OUT, QUARANTINE, SAMPLES, SUBSETS, VIDEOS, read_table

MAX_FAILURES = 100
LEAK_PROOF_FILE = "leak_proof.json"

_SHARED_COLUMNS = (
    "sample_id", "source", "dataset_name", "video_id", "identity", "clip_id", "task", "qa_type",
    "label", "rate_num", "rate_den", "clip_start", "clip_end", "tick_rate_num", "tick_rate_den",
    "licence",
)  # fmt: skip
"""What a sample and its row of the index both say."""


Stored = dict[tuple[str, str], dict[int, int]]
"""Tick by native frame number, by source and video."""


@dataclass(slots=True)
class Check:
    """One kind of check.

    Attributes:
        name: What was checked.
        checked: How many things.
        failures: What failed, at most `MAX_FAILURES`.
        failed: How many failed.
    """

    name: str
    checked: int = 0
    failures: list[str] = field(default_factory=list)
    failed: int = 0

    def require(self, fault: str | None) -> None:
        """Count one thing; `fault` says in a sentence how it failed, None that it did not."""
        self.checked += 1
        if fault is not None:
            self.failed += 1
            if len(self.failures) < MAX_FAILURES:
                self.failures.append(fault)


def verify_release(
    root: Path, *, quick: bool = False, heard: Callable[[Check], None] | None = None
) -> list[Check]:
    """Check a release.

    Args:
        root: Its folder.
        quick: Trust files whose size and modification time are those recorded at publication,
            and read no tar that is trusted. Of these, what the last build wrote anew where it
            replaced another release is hashed once more; the rest was checked with that one.
        heard: Called with each check as it ends.

    Returns:
        The checks, in order; the release is sound where none has failures.

    Raises:
        ReleaseError: The folder is no release.
    """
    verifier = _Verifier(root, quick=quick)
    checks = []
    for step in (
        verifier.files, verifier.tables, verifier.annotations, verifier.media, verifier.splits,
        verifier.members, verifier.licences,
    ):  # fmt: skip
        check = step()
        checks.append(check)
        if heard is not None:
            heard(check)
        if step == verifier.tables and check.failed:
            break
    return checks


class _Verifier:
    """Holds what several checks share."""

    def __init__(self, root: Path, *, quick: bool) -> None:
        self.root = root
        self.manifest = read_manifest(root)
        self.quick = quick
        self.trusted = _trusted(root) if quick else set()
        self.vouched = self.trusted - _written(root)
        self.samples = pl.DataFrame()
        self.frames = pl.DataFrame()
        self.videos = pl.DataFrame()
        self.left_out = pl.DataFrame()
        self.subsets = pl.DataFrame()

    def files(self) -> Check:
        check = Check("files match the manifest")
        for name, item in self.manifest.items():
            path = self.root / name
            if not path.is_file():
                check.require(f"{name} is missing.")
            elif path.stat().st_size != item["size"]:
                check.require(f"{name} has another size.")
            else:
                same = name in self.vouched or file_sha256(path) == item["sha256"]
                check.require(None if same else f"{name} has other bytes.")
        known = {*self.manifest, MANIFEST_FILE, RUN_FILE}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and name not in known:
                check.require(f"{name} is not in the manifest.")
        return check

    def tables(self) -> Check:
        check = Check("tables read and name each other's rows")
        try:
            tables = {
                name: read_table(self.root / path, schema)
                for name, path, schema in (
                    ("samples", "index/samples.parquet", SAMPLES),
                    ("frames", "index/frames.parquet", FRAMES),
                    ("videos", "index/videos.parquet", VIDEOS),
                    ("left_out", "index/left_out.parquet", LEFT_OUT),
                    ("subsets", "index/subsets.parquet", SUBSETS),
                    ("quarantine", "quarantine.parquet", QUARANTINE),
                )
            }
        except ShardError as error:
            check.require(str(error))
            return check
        self.samples = _polars(tables["samples"])
        self.frames = _polars(tables["frames"])
        self.videos = _polars(tables["videos"])
        self.left_out = _polars(tables["left_out"])
        self.subsets = _polars(tables["subsets"])
        keys = ["source", "video_id"]
        strangers = self.samples.select(keys).join(self.videos, on=keys, how="anti")
        check.require(
            None if strangers.is_empty() else f"{len(strangers)} samples of unknown videos."
        )
        lost = self.frames.select(keys).join(self.videos, on=keys, how="anti")
        check.require(None if lost.is_empty() else f"{len(lost)} frames of unknown videos.")
        both = self.samples.select("sample_id").join(self.left_out, on="sample_id", how="semi")
        check.require(None if both.is_empty() else f"{len(both)} samples are left out as well.")
        return check

    def annotations(self) -> Check:
        check = Check("samples are where the index says, legal, and answer in their grammar")
        stored = {
            (source, video_id): dict(zip(index, tick, strict=True))
            for source, video_id, index, tick in self.frames.group_by("source", "video_id")
            .agg("index", "tick")
            .iter_rows()
        }
        for prefix in ("", "standard_"):
            shards = pl.col(f"{prefix}shard")
            rows = self.samples.filter(shards.is_not_null() & ~shards.is_in(self.trusted))
            for name, part in rows.partition_by(f"{prefix}shard", as_dict=True).items():
                self._annotation_shard(check, str(name[0]), part, prefix, stored)
        self._require_indexed(check, "large/", self.samples["shard"])
        self._require_indexed(check, "standard/", self.samples["standard_shard"])
        return check

    def _require_indexed(self, check: Check, folder: str, shards: pl.Series) -> None:
        """Find tars of which the index knows no part at all."""
        known = set(shards.unique())
        for name in self.manifest:
            if name.startswith(folder) and name.endswith(".tar") and name not in known:
                check.require(f"{name}: the index names none of its parts.")

    def _annotation_shard(
        self,
        check: Check,
        shard: str,
        rows: pl.DataFrame,
        prefix: str,
        stored: Stored,
    ) -> None:
        expected = {row["sample_id"]: row for row in rows.iter_rows(named=True)}
        for key, offset, size, payload in _members(self.root / shard, shard, check):
            row = expected.pop(key, None)
            if row is None:
                check.require(f"{shard}: {key} is not in the index.")
                continue
            fault = _place_fault(row, prefix, offset, size) or _sample_fault(payload, row)
            if fault is None and stored:
                fault = _frame_fault(payload, stored)
            check.require(None if fault is None else f"{shard}: {key} {fault}")
        for key in expected:
            check.require(f"{shard}: {key} is in the index alone.")

    def media(self) -> Check:
        check = Check("frames are where the index says, and are JPEGs of the stated size")
        rows = self.frames.filter(~pl.col("shard").is_in(self.trusted))
        for name, part in rows.partition_by("shard", as_dict=True).items():
            shard = str(name[0])
            expected = {row["key"]: row for row in part.iter_rows(named=True)}
            for key, offset, size, payload in _members(self.root / shard, shard, check):
                row = expected.pop(key, None)
                fault = "is not in the index" if row is None else _jpeg_fault(row, payload)
                if row is not None and fault is None:
                    fault = _place_fault(row, "", offset, size)
                check.require(None if fault is None else f"{shard}: {key} {fault}")
            for key in expected:
                check.require(f"{shard}: {key} is in the index alone.")
        self._require_indexed(check, "media/", self.frames["shard"])
        return check

    def splits(self) -> Check:
        check = Check("no identity stands in two splits")
        proof, fault = self._leak_fault()
        check.require(fault)
        keys = ["source", "video_id"]
        placed = self.samples.select(*keys, "split", "identity")
        joined = placed.join(self.videos.select(placed.columns), on=keys, suffix="_video")
        for name in ("split", "identity"):
            other = joined.filter(pl.col(name) != pl.col(f"{name}_video"))
            check.require(
                None if other.is_empty() else f"{len(other)} samples left their video's {name}."
            )
        crossing = self.samples.group_by("identity").agg(pl.col("split").n_unique())
        bad = crossing.filter(pl.col("split") > 1)["identity"].sort().to_list()
        parted = bad and proof.get("mode") != "native"  # there the proof lists what is parted
        check.require(f"identities in two splits: {bad[:10]}" if parted else None)
        outside = self.samples.filter(pl.col("in_standard") & (pl.col("split") != "train"))
        check.require(
            None if outside.is_empty() else f"{len(outside)} of standard are not in train."
        )
        stored = pl.col("standard_shard").is_not_null()
        astray = self.samples.filter(
            (pl.col("in_standard") != stored)
            | ~pl.col("shard").str.starts_with(
                pl.concat_str(pl.lit("large/"), "split", pl.lit("-"))
            )
        )
        check.require(
            None if astray.is_empty() else f"{len(astray)} samples lie in shards of another split."
        )
        return check

    def _leak_fault(self) -> tuple[dict[str, Any], str | None]:
        """The proof, empty where it cannot be read, and what is wrong with it."""
        try:
            proof = orjson.loads((self.root / LEAK_PROOF_FILE).read_bytes())
            check_leaks(self.videos.to_dicts(), proof)
        except (OSError, orjson.JSONDecodeError) as error:
            return {}, f"{LEAK_PROOF_FILE} cannot be read: {type(error).__name__}."
        except MedVidError as error:
            return {}, error.problem
        return proof, None

    def members(self) -> Check:
        check = Check("subsets are ranked parts of train")
        train = self.samples.filter(pl.col("split") == "train").select("sample_id")
        astray = self.subsets.join(train, on="sample_id", how="anti")
        check.require(None if astray.is_empty() else f"{len(astray)} members are not in train.")
        for name, part in self.subsets.partition_by("subset", as_dict=True).items():
            ranked = part["rank"].sort().equals(pl.int_range(len(part), eager=True).alias("rank"))
            check.require(None if ranked else f"{name[0]} does not rank its members from 0.")
        return check

    def licences(self) -> Check:
        check = Check("every licence is registered")
        registered = load_licences()
        for licence in pl.concat([self.videos["licence"], self.samples["licence"]]).unique().sort():
            known = licence in registered
            check.require(None if known else f"licence {licence!r} is not registered.")
        return check


def _polars(table: Any) -> pl.DataFrame:  # noqa: ANN401 - pyarrow ships no types
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise ShardError("a table has no columns.")
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def _trusted(root: Path) -> set[str]:
    """Files whose size and modification time are those recorded at publication."""
    trusted = set()
    for name, stamp in read_run(root).get("stamps", {}).items():
        file = root / name
        if file.is_file() and [file.stat().st_size, file.stat().st_mtime_ns] == stamp:
            trusted.add(name)
    return trusted


def _written(root: Path) -> set[str]:
    """Files that the last build wrote anew, where it replaced another release."""
    run = read_run(root)
    carried = run.get("carried")
    return set() if carried is None else set(run.get("stamps", {})) - set(carried)


def _members(path: Path, shard: str, check: Check) -> Iterator[tuple[str, int, int, bytes]]:
    """Key, offset, size and payload of every part; a damaged tar ends early with a failure."""
    try:
        with path.open("rb") as handle:
            for member in scan_tar(path):
                handle.seek(member.offset)
                payload = handle.read(member.size)
                yield member.name.partition(".")[0], member.offset, member.size, payload
    except ShardError as error:
        check.require(f"{shard}: {error}")
    except OSError as error:
        check.require(f"{shard}: cannot be read: {error.strerror}.")


def _place_fault(row: dict[str, Any], prefix: str, offset: int, size: int) -> str | None:
    if (row[f"{prefix}offset"], row[f"{prefix}size"]) != (offset, size):
        return "stands at another place than the index says."
    return None


def _sample_fault(payload: bytes, row: dict[str, Any]) -> str | None:
    try:
        sample = Sample.model_validate_json(payload)
        parsed = get_task(sample.task).parse_(sample.answer)
    except ValidationError as error:
        return f"is no sample: {error.error_count()} bad fields, first {error.errors()[0]['loc']}."
    except SampleError as error:
        return error.problem
    try:
        target = sample.target_value()
    except orjson.JSONDecodeError:
        return "target is not JSON."
    if orjson.loads(orjson.dumps(parsed, option=orjson.OPT_NON_STR_KEYS)) != target:
        return "answer and target differ."
    for name in _SHARED_COLUMNS:
        if getattr(sample, name) != row[name]:
            return f"{name} differs from the index."
    if len(sample.frame_index) != row["n_frames"]:
        return "n_frames differs from the index."
    return None


def _frame_fault(payload: bytes, stored: Stored) -> str | None:
    sample = orjson.loads(payload)
    ticks = stored.get((sample["source"], sample["video_id"]), {})
    missing = [index for index in sample["frame_index"] if index not in ticks]
    if missing:
        return f"needs frames {missing[:5]} that are not stored."
    if [ticks[index] for index in sample["frame_index"]] != sample["frame_tick"]:
        return "places its frames at other times than the frame table."
    return None


def _jpeg_fault(row: dict[str, Any], payload: bytes) -> str | None:
    try:
        size = jpeg_size(payload)
    except MediaError as error:
        return error.problem
    if size != (row["width"], row["height"]):
        return f"is {size} and not the stated size."
    return None
