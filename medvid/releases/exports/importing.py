"""Import official files: samples in shards, questions beside them, the rest in the quarantine.

The folder reads like a release (`ReleaseReader`, `medvid inspect`, `medvid export`), but is none:
one file says nothing about who stands in other splits, so there is no leak proof, and `medvid
verify` says so.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa

from data_cards import load_licences
from medvid.media.jpeg import image_size
from medvid.releases.exports.finding import FrameFinder
from medvid.releases.exports.folder import require_empty, whole_folder
from medvid.releases.exports.frame_store import FrameStore
from medvid.releases.exports.pictures import Heard
from medvid.releases.publish import MANIFEST_FILE
from medvid.shards import write_annotation_shard
from medvid.tasks.official import OfficialQuestion, OfficialRow, read_official_rows, sample_of_row
from medvid.tasks.official.samples import UNKNOWN_SIZE
from medvid.tasks.official.writing import OWN_KEY
from schemas.errors import ConfigError, MalformedSourceError, MediaError, SampleError, ShardError
from schemas.hashing import canonical_json, content_key, file_sha256, hash_rank
from schemas.quarantine import QuarantineRow
from schemas.sample import Sample
from schemas.scalars import SCHEMA_VERSION, Model
from schemas.tables import (
    FRAMES,
    LEFT_OUT,
    QUARANTINE,
    SAMPLES,
    SUBSETS,
    VIDEOS,
    table_of,
    write_table,
)

OFFICIAL_SOURCE: Final = "medvidbench"
OFFICIAL_LICENCE: Final = "medvidbench-terms"
QUESTIONS_FILE: Final = "questions.jsonl"
COUNTS_FILE: Final = "import.json"

_BUCKET_BYTES: Final = 1 << 26
_STEP: Final = 500


class ImportSettings(Model):
    """How an official file is imported.

    Attributes:
        split: Split of all rows; None takes the split a row of our own export names, else `test`,
            so that nobody trains on a test file by mistake.
        licence: Licence id of foreign rows.
    """

    split: str | None = None
    licence: str = OFFICIAL_LICENCE


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What became of the rows: `rows` is the sum of the other three.

    Attributes:
        rows: Rows of the file.
        samples: Rows that became samples.
        questions: Rows without answer that are kept as questions.
        quarantined: Rows that could not be used.
        reasons: Quarantined rows by reason.
        frames: Distinct frames stored, 0 where none were given.
    """

    rows: int
    samples: int
    questions: int
    quarantined: int
    reasons: dict[str, int]
    frames: int


def import_official(
    path: Path,
    output: Path,
    settings: ImportSettings | None = None,
    *,
    frames: Path | None = None,
    heard: Heard | None = None,
) -> ImportSummary:
    """Read an official MedVidBench file into a folder that reads like a release.

    Args:
        path: The official file.
        output: Folder to make; it must be absent or empty.
        settings: Split and licence of the rows.
        frames: Folder the official frames were unpacked to; without it labels only.
        heard: Told of progress: stage, units done, units in all (0 where not known).

    Raises:
        MissingSourceError: There is no such file, or no such folder of frames.
        MalformedSourceError: The file is no official file, or ends early.
        ReleaseError: The output is not empty, or the disk is full.
        ConfigError: The licence is not registered.
    """
    require_empty(output)
    chosen = settings or ImportSettings()
    if chosen.licence not in load_licences():
        raise ConfigError(
            f"licence {chosen.licence!r} is not registered.",
            action=f"Choose one of: {', '.join(sorted(load_licences()))}.",
        )
    finder = FrameFinder(frames) if frames else None
    with whole_folder(output, "importing here") as work:
        importer = _Importer(path, work, chosen, finder, heard or _silent)
        importer.read()
        return importer.finish()


def _silent(_stage: str, _done: int, _total: int) -> None:
    return


class _RepeatedError(SampleError):
    """A row that asks what an earlier one asks.

    Attributes:
        reason: `repeated_row` for the same words, `same_subject` for others.
    """

    default_action = "Nothing: the earlier row stays."

    def __init__(self, *, same_words: bool) -> None:
        self.reason = "repeated_row" if same_words else "same_subject"
        words = "the same words" if same_words else "other words"
        super().__init__(
            f"an earlier row asks the same of the same clip in {words}.", field="conversations"
        )


@dataclass(slots=True)
class _VideoFacts:
    """What rows say about a video."""

    identity: str
    split: str
    licence: str
    size_wh: tuple[int, int]
    clips: set[str] = field(default_factory=set)
    samples: int = 0


class _Importer:
    """Holds what the rows have in common while they are read one by one."""

    def __init__(
        self, path: Path, work: Path, settings: ImportSettings, finder: FrameFinder | None,
        heard: Heard,
    ) -> None:  # fmt: skip
        self._path, self._work, self._settings = path, work, settings
        self._finder, self._heard = finder, heard
        self._store = FrameStore(work) if finder else None
        self._faults: list[MalformedSourceError] = []
        self._quarantine: list[QuarantineRow] = []
        self._seen: dict[str, str] = {}
        self._videos: dict[tuple[str, str], _VideoFacts] = {}
        self._buckets = 1 + path.stat().st_size // _BUCKET_BYTES if path.is_file() else 1
        self._spills: dict[tuple[str, int], Path] = {}
        self._rows = self._samples = self._questions = 0

    def read(self) -> None:
        """Read all rows; samples are spilt by split and bucket of their video."""
        with (self._work / QUESTIONS_FILE).open("wb") as questions:
            for row in read_official_rows(self._path, faults=self._faults):
                self._rows += 1
                try:
                    found = self._take(row)
                except (SampleError, MediaError, ShardError) as error:
                    self._refuse(row, error)
                    continue
                if isinstance(found, OfficialQuestion):
                    questions.write(canonical_json(found) + b"\n")
                    self._questions += 1
                else:
                    self._spill(found, self._split_of(row))
                if not self._rows % _STEP:
                    self._heard("rows", self._rows, 0)
        for fault in self._faults:
            self._rows += 1
            self._quarantine.append(_fault_row(fault, self._path.name))
        self._heard("rows", self._rows, self._rows)

    def finish(self) -> ImportSummary:
        """Write shards, tables and counts."""
        frames = self._store.write(self._heard) if self._store else table_of([], FRAMES)
        tables = [self._shard(*key) for key in sorted(self._spills)]
        index = self._work / "index"
        index.mkdir(exist_ok=True)
        merged = pa.concat_tables(tables) if tables else table_of([], SAMPLES)
        write_table(index / "samples.parquet", merged, SAMPLES)
        write_table(index / "frames.parquet", frames, FRAMES)
        write_table(index / "videos.parquet", table_of(self._video_rows(), VIDEOS), VIDEOS)
        for name, schema in (("left_out", LEFT_OUT), ("subsets", SUBSETS)):
            write_table(index / f"{name}.parquet", table_of([], schema), schema)
        rows = [row.model_dump() for row in self._quarantine]
        write_table(self._work / "quarantine.parquet", table_of(rows, QUARANTINE), QUARANTINE)
        reasons = Counter(row.reason for row in self._quarantine)
        summary = ImportSummary(
            rows=self._rows, samples=self._samples, questions=self._questions,
            quarantined=len(self._quarantine), reasons=dict(sorted(reasons.items())),
            frames=frames.num_rows,
        )  # fmt: skip
        self._describe(summary)
        return summary

    def _take(self, row: OfficialRow) -> Sample | OfficialQuestion:
        files = self._files(row)
        size = image_size(files[row.sampled_video_frames[0]]) if files else UNKNOWN_SIZE
        found = sample_of_row(row, licence=self._settings.licence, size_wh=size)
        if isinstance(found, OfficialQuestion):
            if self._store:
                self._store.take(_placed(found.fields), files)
            return found
        digest = content_key(found.question, found.answer, found.qa_type, found.frame_index)
        known = self._seen.get(found.sample_id)
        if known is not None:
            raise _RepeatedError(same_words=known == digest)
        if self._store:
            self._store.take(_placed(found.model_dump()), files)
        self._seen[found.sample_id] = digest
        return found

    def _files(self, row: OfficialRow) -> Mapping[int, Path]:
        if self._finder is None:
            return {}
        find = self._finder.find
        return {
            number: find(path)
            for number, path in zip(row.sampled_video_frames, row.video, strict=True)
        }

    def _split_of(self, row: OfficialRow) -> str:
        own = row.extra.get(OWN_KEY)
        stated = own.get("split") if isinstance(own, dict) else None
        return self._settings.split or (stated if stated in ("train", "val", "test") else "test")

    def _spill(self, sample: Sample, split: str) -> None:
        place = (sample.source, sample.video_id)
        facts = self._videos.get(place)
        if facts is None:
            facts = self._videos[place] = _VideoFacts(
                sample.identity, split, sample.licence, (sample.width, sample.height)
            )
        facts.clips.add(sample.clip_id)
        facts.samples += 1
        self._samples += 1
        key = (facts.split, hash_rank(0, *place) % self._buckets)
        spill = self._spills.setdefault(key, self._work / f".spill-{key[0]}-{key[1]:03d}")
        with spill.open("ab") as handle:
            handle.write(sample.to_json() + b"\n")

    def _shard(self, split: str, bucket: int) -> pa.Table:
        """Turn a spill into an annotation shard and its rows of the index."""
        spill = self._spills[split, bucket]
        with spill.open("rb") as handle:
            encoded = [line.rstrip(b"\n") for line in handle]
        spill.unlink()
        samples = {sample.sample_id: (sample, text) for sample, text in _decoded(encoded)}
        name = f"large/{split}-{bucket:03d}.tar"
        (self._work / "large").mkdir(exist_ok=True)
        shard = write_annotation_shard(
            self._work / name, [(key, text) for key, (_, text) in samples.items()]
        )
        rows = []
        for member in shard.members:
            sample = samples[member.key][0]
            rows.append({
                **sample.model_dump(), "task": sample.task.value, "split": split,
                "in_standard": False, "n_frames": len(sample.frame_index), "shard": name,
                "offset": member.offset, "size": member.size, "answer_chars": len(sample.answer),
            })  # fmt: skip
        return table_of([{name: row.get(name) for name in SAMPLES.names} for row in rows], SAMPLES)

    def _video_rows(self) -> Iterator[dict[str, Any]]:
        for (source, video_id), facts in sorted(self._videos.items()):
            yield {
                "source": source, "video_id": video_id, "identity": facts.identity,
                "split": facts.split, "licence": facts.licence, "width": facts.size_wh[0],
                "height": facts.size_wh[1], "native_split": "{}", "n_clips": len(facts.clips),
                "n_samples": facts.samples, "links": "{}",
            }  # fmt: skip

    def _refuse(self, row: OfficialRow, error: SampleError | MediaError | ShardError) -> None:
        name = error.field or ""
        if isinstance(error, MediaError):
            reason, name = f"frame_{error.reason}", "video"
        elif isinstance(error, _RepeatedError):
            reason = error.reason
        elif name.startswith("answer character"):
            reason = "answer_grammar"
        else:
            reason = f"bad_{name.split('.')[0].lower() or 'row'}"
        self._quarantine.append(
            QuarantineRow(
                source=row.source or OFFICIAL_SOURCE, video_id=row.video_id, stage="import",
                kind="row", reason=reason, detail=error.problem, action=error.action,
                file=self._path.name, field=f"row {row.index} {name}".strip(),
            )
        )  # fmt: skip

    def _describe(self, summary: ImportSummary) -> None:
        counts = {
            "schema_version": SCHEMA_VERSION, "file": self._path.name,
            "sha256": file_sha256(self._path), "settings": self._settings.model_dump(),
            "rows": summary.rows, "samples": summary.samples, "questions": summary.questions,
            "quarantined": summary.quarantined, "reasons": summary.reasons,
            "frames": summary.frames,
        }  # fmt: skip
        encoded = orjson.dumps(counts, option=orjson.OPT_INDENT_2) + b"\n"
        (self._work / COUNTS_FILE).write_bytes(encoded)
        files = {
            path.relative_to(self._work).as_posix(): {
                "sha256": file_sha256(path), "size": path.stat().st_size,
            }
            for path in sorted(self._work.rglob("*")) if path.is_file()
        }  # fmt: skip
        manifest = {"schema_version": SCHEMA_VERSION, "files": files}
        payload = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
        (self._work / MANIFEST_FILE).write_bytes(payload + b"\n")


def _decoded(encoded: list[bytes]) -> Iterator[tuple[Sample, bytes]]:
    for text in encoded:
        yield Sample.model_validate_json(text), text


def _placed(fields: Mapping[str, Any]) -> tuple[str, str, tuple[int, ...], tuple[int, ...]]:
    """Where a row's frames belong: source, video, numbers and ticks."""
    return (
        fields["source"], fields["video_id"], tuple(fields["frame_index"]),
        tuple(fields["frame_tick"]),
    )  # fmt: skip


def _fault_row(fault: MalformedSourceError, name: str) -> QuarantineRow:
    return QuarantineRow(
        source=OFFICIAL_SOURCE, video_id="", stage="import", kind="row", reason="malformed_row",
        detail=fault.problem, action=fault.action, file=name, line=fault.line,
        field=fault.field or "",
    )  # fmt: skip
