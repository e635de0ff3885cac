"""Index, describe and publish a finished assembly."""

import getpass
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import orjson
import polars as pl
import pyarrow as pa

from flows.assembly import Assembly, media_index
from flows.facts import folder_facts, gather_facts, shaping_versions
from flows.shard_stages import (
    SHARD_CODE,
    SHARD_FILE,
    EnergonPayload,
    IndexedShard,
    energon_file,
    energon_unit,
)
from flows.sources import LABEL_TIMEOUT_S, Tally, VideoState, converter_key
from flows.tables import INDEX_FILE, MEDIA_INDEX
from medvid.releases.card import render_card
from medvid.releases.config import BuildConfig
from medvid.releases.croissant import render_croissant
from medvid.releases.facts import ReleaseFacts
from medvid.releases.gc import record_use
from medvid.releases.keys import code_key
from medvid.releases.publish import RUN_FILE, Published, Staging, manifest_hash, read_manifest
from medvid.releases.report import render_report
from medvid.releases.sheets import release_sheets
from medvid.releases.units import Executor, Outcome, Progress, Unit, run_stage
from medvid.releases.verify import verify_release
from medvid.releases.workspace import Workspace
from medvid.shards import ReleaseReader
from medvid.splits import leak_proof
from schemas.errors import ReleaseError, bounded
from schemas.hashing import content_key
from schemas.scalars import SCHEMA_VERSION
from schemas.tables import (
    FRAMES,
    LEFT_OUT,
    QUARANTINE,
    SAMPLES,
    SUBSETS,
    VIDEOS,
    table_bytes,
    table_of,
)

T = TypeVar("T")

ALL_CODE = ("schemas", "converters", "data_cards", "annotation", "medvid", "flows")


def publish(
    config: BuildConfig,
    states: Sequence[VideoState],
    assembly: Assembly,
    workspace: Workspace,
    tally: Tally,
    execute: Executor,
    progress: Progress,
    seconds: dict[str, float],
) -> Published:
    """Put the release together, check it, and swap it in unless the one there is the same.

    Args:
        config: The build.
        states: Every video found.
        assembly: The finished shards.
        workspace: Where they lie.
        tally: What became of everything that went in.
        execute: Runs batches of units.
        progress: Hears how it goes.
        seconds: Wall time of the stages so far.
    """
    staging = Staging(config.output)
    try:
        _link_shards(staging, assembly, workspace)

        def write() -> ReleaseFacts:
            _write_tables(staging, assembly, workspace, tally)
            _write_proof(staging, assembly)
            record = build_record(config, states, assembly, tally.corrections_head)
            staging.write("build.json", record)
            return _facts(staging, config, assembly, tally, workspace)

        facts = _beside_energon(write, staging, assembly, workspace, execute, progress)
        started = time.monotonic()
        progress.start("publish", 1, 0)
        _describe(staging, config, facts)
        sha256 = staging.seal()
        record_use(workspace, staging.root, config.output, sha256)
        changed = sha256 != manifest_hash(config.output)
        if changed:
            staging.write(RUN_FILE, _run_record(config, staging, seconds))
        progress.finish("publish", time.monotonic() - started)
        if changed:
            _require_sound(staging.root, progress)
            staging.swap_in()
    finally:
        staging.discard()
    size = sum(item["size"] for item in read_manifest(config.output).values())
    return Published(config.output, sha256, changed, size)


def _require_sound(root: Path, progress: Progress) -> None:
    """Check what was put together as `medvid verify --quick` does: a fault is never published."""
    started = time.monotonic()
    progress.start("verify", 1, 0)
    failed = [check for check in verify_release(root, quick=True) if check.failed]
    progress.finish("verify", time.monotonic() - started)
    if failed:
        told = bounded([failure for check in failed for failure in check.failures])
        raise ReleaseError(
            f"the release does not hold what it says, first: {told}.",
            action="The release before stays as it was. Build with an empty --workspace; if that "
            "fails alike, report it with the build's yaml.",
        )


def _beside_energon(
    write: Callable[[], T],
    staging: Staging,
    assembly: Assembly,
    workspace: Workspace,
    execute: Executor,
    progress: Progress,
) -> T:
    """Write tables and documents here while another process writes Energon's index."""
    units = _plan_energon(assembly, workspace)
    with ThreadPoolExecutor(1, thread_name_prefix="tables") as pool:
        written = pool.submit(write)
        done = run_stage(workspace, "energon", list(units.values()), execute, progress)
        result = written.result()
    _link_energon(staging, units, done, workspace)
    return result


def _link_shards(staging: Staging, assembly: Assembly, workspace: Workspace) -> None:
    for shard in assembly.media:
        path, _ = media_index(shard, assembly, workspace)
        if shard.unit is None:
            kept = read_manifest(staging.output)[shard.path]
            staging.link(shard.path, path, kept["sha256"])
        else:
            staging.link(shard.path, path, _info(assembly, shard.path)["sha256"])
    for name, unit in assembly.shard_units().items():
        path = workspace.folder(unit.stage, unit.key) / SHARD_FILE
        staging.link(name, path, _info(assembly, name)["sha256"])


def _info(assembly: Assembly, path: str) -> dict[str, Any]:
    record = assembly.outcomes[path].record
    if record is None:
        raise KeyError(path)
    return record.info


def _shard_rows(units: dict[str, Unit], workspace: Workspace, prefix: str) -> pl.DataFrame:
    """Where each sample lies: shard, offset and size, with a prefix to the columns."""
    empty = {"sample_id": pl.String, "offset": pl.Int64, "size": pl.Int64, "shard": pl.String}
    tables = [pl.DataFrame(schema=empty)]
    for path, unit in units.items():
        table = read_index(unit, workspace)
        tables.append(table.with_columns(pl.lit(path).alias("shard")))
    names = {name: f"{prefix}{name}" for name in ("offset", "size", "shard")}
    return pl.concat([table.select(list(empty)) for table in tables]).rename(names)


def _write_tables(staging: Staging, assembly: Assembly, workspace: Workspace, tally: Tally) -> None:
    large = _shard_rows(assembly.large, workspace, "")
    standard = _shard_rows(assembly.standard, workspace, "standard_")
    # In the order of the shards, which is that of the table: it then need not be sorted.
    places = large.join(standard, on="sample_id", how="left", maintain_order="left")
    columns = [name for name in SAMPLES.names if name in assembly.samples.columns]
    samples = places.join(assembly.samples.select(columns), on="sample_id", maintain_order="left")
    staging.write("index/samples.parquet", table_bytes(samples.to_arrow(), SAMPLES))
    frames = _frames(assembly, workspace).to_arrow()
    staging.write("index/frames.parquet", table_bytes(frames, FRAMES))
    staging.write("index/videos.parquet", table_bytes(_videos(assembly, samples), VIDEOS))
    selection = assembly.selection
    columns = [name for name in LEFT_OUT.names if name in assembly.pool.columns]
    left_out = assembly.pool.select(columns).join(selection.left_out, on="sample_id")
    staging.write("index/left_out.parquet", table_bytes(left_out.to_arrow(), LEFT_OUT))
    staging.write("index/subsets.parquet", table_bytes(selection.subsets.to_arrow(), SUBSETS))
    rows = (row.model_dump(mode="json") for row in tally.rows)
    staging.write("quarantine.parquet", table_bytes(table_of(rows, QUARANTINE), QUARANTINE))


def read_index(unit: Unit, workspace: Workspace) -> pl.DataFrame:
    """Where everything lies in the shard of a finished unit."""
    return pl.read_ipc(workspace.folder(unit.stage, unit.key) / INDEX_FILE)


def _frames(assembly: Assembly, workspace: Workspace) -> pl.DataFrame:
    tables = [pl.DataFrame(schema=MEDIA_INDEX | {"shard": pl.String})]
    for shard in assembly.media:
        _, table = media_index(shard, assembly, workspace)
        tables.append(table.with_columns(pl.lit(shard.path).alias("shard")))
    return pl.concat(tables)


def _videos(assembly: Assembly, samples: pl.DataFrame) -> pa.Table:
    counted = samples.group_by("source", "video_id").agg(
        pl.col("clip_id").n_unique(), pl.len().alias("samples")
    )
    counts = {
        (source, video_id): (clips, total) for source, video_id, clips, total in counted.iter_rows()
    }
    rows = []
    for video in assembly.videos:
        clips, total = counts.get((video.source, video.video_id), (0, 0))
        width, height = video.resolution_wh
        rows.append({
            "source": video.source, "video_id": video.video_id, "identity": video.identity,
            "split": assembly.assignment.split_of(video.source, video.video_id),
            "licence": video.licence, "width": width, "height": height,
            "native_split": _json(video.native_split), "links": _json(video.links),
            "n_clips": clips, "n_samples": total,
        })  # fmt: skip
    return table_of(rows, VIDEOS)


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _plan_energon(assembly: Assembly, workspace: Workspace) -> dict[str, Unit]:
    """Units that write Energon's metadata, by folder of the release."""
    units = {}
    for folder, planned in (("large", assembly.large), ("standard", assembly.standard)):
        shards = [
            _indexed(folder, path, _info(assembly, path), workspace.folder(unit.stage, unit.key))
            for path, unit in planned.items()
        ]
        splits: dict[str, list[str]] = {}
        for shard in shards:
            splits.setdefault(shard.name.partition("-")[0], []).append(shard.name)
        if shards:
            units[folder] = _energon(folder, shards, "sample_id", "json", splits)
    media = list(_media_shards(assembly, workspace))
    if media:
        splits = {"all": [shard.name for shard in media]}
        units["media"] = _energon("media", media, "key", "jpg", splits)
    return units


def _energon(
    folder: str, shards: Sequence[IndexedShard], key: str, part: str, splits: dict[str, list[str]]
) -> Unit:
    payload = EnergonPayload(tuple(shards), key, part, splits)
    tars = [[shard.name, shard.sha256] for shard in shards]
    code = code_key(*SHARD_CODE)
    name = content_key("energon", folder, tars, splits, code)
    return Unit("energon", folder, name, energon_unit, payload, LABEL_TIMEOUT_S)


def _indexed(folder: str, path: str, info: dict[str, Any], unit: Path) -> IndexedShard:
    name = path.removeprefix(f"{folder}/")
    return IndexedShard(name, info["sha256"], unit / INDEX_FILE)


def _media_shards(assembly: Assembly, workspace: Workspace) -> Iterator[IndexedShard]:
    for shard in assembly.media:
        if shard.unit is not None:
            unit = workspace.folder(shard.unit.stage, shard.unit.key)
            yield _indexed("media", shard.path, _info(assembly, shard.path), unit)
        elif assembly.parent is not None:
            kept, root = assembly.parent.files[shard.path], assembly.parent.root
            frames = root / "index" / "frames.parquet"
            name = shard.path.removeprefix("media/")
            yield IndexedShard(name, kept["sha256"], frames, shard.path)


def _link_energon(
    staging: Staging, units: dict[str, Unit], outcomes: dict[str, Outcome], workspace: Workspace
) -> None:
    for folder, unit in units.items():
        record = outcomes[folder].record
        if record is None:
            raise ReleaseError(
                f"Energon's index of {folder} could not be written: {outcomes[folder].detail}.",
                action="Run the build again; what is finished stays finished.",
            )
        place = workspace.folder(unit.stage, unit.key)
        for path, sha256 in record.info["files"].items():
            staging.link(f"{folder}/{path}", energon_file(place, path), sha256)


def _write_proof(staging: Staging, assembly: Assembly) -> None:
    proof = leak_proof(assembly.videos, assembly.assignment, assembly.edges)
    payload = orjson.dumps(proof, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    staging.write("leak_proof.json", payload + b"\n")


def build_record(
    config: BuildConfig,
    states: Sequence[VideoState],
    assembly: Assembly,
    corrections_head: str | None = None,
) -> bytes:
    """What decided the bytes of the release: settings, inputs, code, versions, parent."""
    inputs = {
        state.name: {
            "labels": state.convert.key,
            "media": state.pictures_key,
            **({"corrected": state.correct.key} if state.correct is not None else {}),
        }
        for state in sorted(states, key=lambda state: state.name)
    }
    record = {
        "schema_version": SCHEMA_VERSION,
        "name": config.name,
        "config": config.resolved(),
        "inputs": inputs,
        "inputs_sha256": content_key(inputs),
        "converters": {source.name: converter_key(source.name) for source in config.sources},
        "code_sha256": code_key(*ALL_CODE),
        "versions": shaping_versions(),
        "seed": config.seed,
        "corrections_head": corrections_head,
        "parent": _origin(assembly),
    }
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"


def _origin(assembly: Assembly) -> str | None:
    """The release whose media bytes this one extends.

    Where it only keeps what that one holds, it descends from the same as that one does: else two
    builds of the same would never be equal.
    """
    parent = assembly.parent
    if parent is None:
        return None
    supplemented = any(
        shard.unit is not None and "-s" in shard.path.rpartition("/")[2] for shard in assembly.media
    )
    return parent.manifest_sha256 if supplemented else parent.origin


def _facts(
    staging: Staging,
    config: BuildConfig,
    assembly: Assembly,
    tally: Tally,
    workspace: Workspace,
) -> ReleaseFacts:
    with ReleaseReader(staging.root) as reader:
        sheets = release_sheets(reader) if config.media.mode == "frames" else ()
    return gather_facts(
        config, assembly, tally, staging.root, shaping_versions(), sheets, workspace
    )


def _describe(staging: Staging, config: BuildConfig, facts: ReleaseFacts) -> None:
    facts = facts.model_copy(update=folder_facts(staging.root))
    staging.write("report.html", render_report(facts))
    staging.write("README.md", render_card(facts))
    files = staging.hashes()
    staging.write("croissant.json", render_croissant(facts, files, config.date_published))


def _user() -> str:
    """Who runs this; a number where the user has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _run_record(config: BuildConfig, staging: Staging, seconds: dict[str, float]) -> bytes:
    """Host, user, roots, and the stamps by which a quick check trusts what was carried over."""
    record = {
        "schema_version": SCHEMA_VERSION,
        "host": platform.node(),
        "user": _user(),
        "seconds": seconds,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "config": orjson.loads(config.anchored().model_dump_json()),
        "stamps": staging.stamps(),
        "carried": staging.carried(),
    }
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"
