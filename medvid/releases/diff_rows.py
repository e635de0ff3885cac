"""Which pairs two releases may differ in, found by the hashes of their shards."""

import mmap
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import orjson
import polars as pl

from medvid.releases.diff_builds import Side
from medvid.releases.documents import LEFT_OUT_TABLE, SAMPLE_TABLE
from schemas.errors import ShardError

OPEN_SHARDS: Final = 64

_FACTS: Final = (
    "source", "video_id", "task", "qa_type", "label", "clip_id", "clip_start", "clip_end",
)  # fmt: skip
_PLACE: Final = ("split", "in_standard", "shard", "offset", "size", "standard_shard")
_KEY: Final = "sample_id"
_SHARED: Final = ("source", "video_id", "task")


@dataclass(frozen=True, slots=True)
class State:
    """A pair in one release.

    Attributes:
        qa_type: The benchmark's row type.
        label: The label balanced over.
        clip_id: Its clip.
        clip_start: First tick of the clip.
        clip_end: First tick after.
        split: train, val or test.
        in_standard: Whether it is in `standard`.
        shard: The tar of `large` that holds it.
        offset: First byte of its json.
        size: Its bytes.
    """

    qa_type: str
    label: str
    clip_id: str
    clip_start: int
    clip_end: int
    split: str
    in_standard: bool
    shard: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """A pair that may differ.

    Attributes:
        sample_id: The pair.
        source: Module name of the source.
        video_id: The video.
        task: One of the eight tasks.
        before: As the first release has it, None where it has not.
        after: As the second has it.
        rewritten: Whether both have it, with other bytes.
    """

    sample_id: str
    source: str
    video_id: str
    task: str
    before: State | None
    after: State | None
    rewritten: bool


def kept_files(a: Side, b: Side, folder: str) -> set[str]:
    """Tars of a folder that are byte for byte the same in both releases."""
    return {
        name
        for name, item in a.files.items()
        if name.startswith(f"{folder}/") and name.endswith(".tar")
        and b.files.get(name, {}).get("sha256") == item["sha256"]
    }  # fmt: skip


def differing_rows(a: Side, b: Side, repictured: pl.Expr | None) -> pl.DataFrame:
    """Pairs the two releases differ in, by source, video id and sample id.

    Shards of equal hash hold equal pairs, so their rows are passed over, but for those that a
    changed shard of `standard` gained or lost. Pairs of changed shards are compared byte by byte.

    Args:
        a: The first release.
        b: The second.
        repictured: Which rows of the index count although nothing else differs, as their pictures
            do; None for none.

    Returns:
        A row a pair, with the columns of the first release, those of the second with the suffix
        `_b`, and `rewritten`: whether it is in both with other bytes.

    Raises:
        ShardError: A shard does not hold what the index says.
    """
    large, standard = kept_files(a, b, "large"), kept_files(a, b, "standard")
    before, after = (_doubtful(side, large, standard, repictured) for side in (a, b))
    others = [
        _rows(side, pl.col(_KEY).is_in(other[_KEY].implode()))
        for side, other in ((a, after), (b, before))
    ]
    old = pl.concat([before, others[0]]).unique(_KEY)
    new = pl.concat([after, others[1]]).unique(_KEY)
    joined = old.join(new, on=_KEY, how="full", suffix="_b", coalesce=True)
    both = pl.col("shard").is_not_null() & pl.col("shard_b").is_not_null()
    compared = both & ~(
        pl.col("shard").is_in(sorted(large)) & (pl.col("shard") == pl.col("shard_b"))
    )
    joined = _mark_rewritten(a, b, joined, compared)
    moved = (pl.col("split") != pl.col("split_b")) | (
        pl.col("in_standard") != pl.col("in_standard_b")
    )
    differs = ~both | pl.col("rewritten") | moved
    if repictured is not None:
        differs = differs | repictured
    shared = [pl.coalesce(name, f"{name}_b").alias(name) for name in _SHARED]
    return joined.filter(differs).with_columns(shared).sort("source", "video_id", _KEY)


def _rows(side: Side, where: pl.Expr) -> pl.DataFrame:
    paths = pl.col("shard", "standard_shard").cast(pl.String)
    found = side.query(
        SAMPLE_TABLE,
        lambda table: table.select(_KEY, *_FACTS, *_PLACE).with_columns(paths).filter(where),
    )
    if found is None:
        raise ShardError("the release has no index.", source=side.root.name)
    return found


def _doubtful(
    side: Side, large: set[str], standard: set[str], repictured: pl.Expr | None
) -> pl.DataFrame:
    """Rows in changed shards of `large`, or in changed shards of `standard`."""
    doubt = ~pl.col("shard").is_in(sorted(large)) | (
        pl.col("standard_shard").is_not_null() & ~pl.col("standard_shard").is_in(sorted(standard))
    )
    return _rows(side, doubt if repictured is None else doubt | repictured)


def _mark_rewritten(a: Side, b: Side, joined: pl.DataFrame, compared: pl.Expr) -> pl.DataFrame:
    """Add `rewritten`: whether the bytes of a pair differ, looked at where `compared` holds."""
    joined = joined.with_row_index("row").with_columns(
        compared.fill_null(value=False).alias("look")
    )
    looked = joined.filter("look").sort("shard", "offset")
    columns = ("row", "shard", "offset", "size", "shard_b", "offset_b", "size_b")
    with Payloads(a.root) as old, Payloads(b.root) as new:
        changed = [
            row
            for row, shard, offset, size, shard_b, offset_b, size_b in looked.select(
                columns
            ).iter_rows()
            if size != size_b
            or old.bytes_at(shard, offset, size) != new.bytes_at(shard_b, offset_b, size_b)
        ]
    rewritten = pl.Series(changed, dtype=joined["row"].dtype)
    return joined.with_columns(pl.col("row").is_in(rewritten.implode()).alias("rewritten"))


def by_video(rows: pl.DataFrame) -> Iterator[list[PairRow]]:
    """Yield the pairs of each video, from the rows of `differing_rows`."""
    group: list[PairRow] = []
    for row in rows.iter_rows(named=True):
        pair = PairRow(
            row[_KEY], row["source"], row["video_id"], row["task"], _state(row, ""),
            _state(row, "_b"), row["rewritten"],
        )  # fmt: skip
        if group and (group[-1].source, group[-1].video_id) != (pair.source, pair.video_id):
            yield group
            group = []
        group.append(pair)
    if group:
        yield group


def _state(row: Mapping[str, Any], suffix: str) -> State | None:
    if row[f"shard{suffix}"] is None:
        return None
    return State(*(row[f"{name}{suffix}"] for name in State.__slots__))


class Payloads:
    """The json of pairs of one release, by memory map; a few shards are open at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: OrderedDict[str, mmap.mmap] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def bytes_at(self, name: str, offset: int, size: int) -> bytes:
        """The bytes of a pair's json.

        Raises:
            ShardError: The shard is gone or too short.
        """
        payload = self._shard(name)[offset : offset + size]
        if len(payload) != size:
            raise ShardError(f"ends before byte {offset + size}.", source=name)
        return payload

    def parse(self, state: State) -> dict[str, Any]:
        """A pair as JSON values.

        Raises:
            ShardError: The shard does not hold it.
        """
        try:
            found: dict[str, Any] = orjson.loads(
                self.bytes_at(state.shard, state.offset, state.size)
            )
        except orjson.JSONDecodeError as error:
            raise ShardError(
                f"holds no json at byte {state.offset}.", source=state.shard
            ) from error
        return found

    def _shard(self, name: str) -> mmap.mmap:
        found = self._open.get(name)
        if found is not None:
            self._open.move_to_end(name)
            return found
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ShardError(f"shard path {name!r} leaves the release.", source="samples.parquet")
        try:
            with (self._root / name).open("rb") as handle:
                found = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ShardError(f"cannot be read: {error}.", source=name) from error
        self._open[name] = found
        if len(self._open) > OPEN_SHARDS:
            self._open.popitem(last=False)[1].close()
        return found


def left_out_reasons(side: Side, rows: pl.DataFrame) -> Mapping[str, str]:
    """Why pairs among these rows were left out of a release, by sample id."""
    if rows.is_empty():
        return {}
    wanted = pl.col(_KEY).is_in(rows[_KEY].implode())
    found = side.query(LEFT_OUT_TABLE, lambda table: table.filter(wanted).select(_KEY, "reason"))
    return {} if found is None else dict(found.iter_rows())


def clips_of(side: Side, clip_ids: pl.Series) -> set[str]:
    """Which of these clips have pairs in a release."""
    if clip_ids.is_empty():
        return set()
    wanted = pl.col("clip_id").filter(pl.col("clip_id").is_in(clip_ids.implode()))
    found = side.query(SAMPLE_TABLE, lambda table: table.select(wanted).unique())
    return set() if found is None else set(found["clip_id"])
