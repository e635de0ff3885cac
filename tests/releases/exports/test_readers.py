"""Other projects' readers on what this one writes, where their environment is at hand.

They pin what the pipeline pins otherwise, so they live in an environment of their own, made from
`requirements/readers.txt`; MEDVID_READERS names its Python.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from medvid.cli.main import app
from medvid.releases.croissant_records import TABLES
from medvid.releases.exports import ExportFormat, ExportSettings, export_release
from medvid.shards import ReleaseReader
from schemas.tables import read_table
from tests.releases.exports.exported import said_elsewhere

pytestmark = pytest.mark.skipif(
    "MEDVID_READERS" not in os.environ, reason="MEDVID_READERS names no Python"
)

LOAD_PARQUET = """
import json, sys
import datasets
found = {}
for split, rows in datasets.load_dataset(sys.argv[1]).items():
    first = rows[0]
    found[split] = {
        "ids": rows["sample_id"][:], "first": {k: v for k, v in first.items() if k != "frames"},
        "frames": [picture.size for picture in first.get("frames", [])],
        "streamed": sum(1 for _ in datasets.load_dataset(sys.argv[1], split=split, streaming=True)),
    }
print(json.dumps(found))
"""

LOAD_CROISSANT = """
import json, sys
from itertools import islice
import mlcroissant
dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
found = {}
for record_set in dataset.metadata.record_sets:
    rows = list(islice(dataset.records(record_set=record_set.uuid), 5))
    found[record_set.uuid] = {"rows": len(rows), "fields": sorted(rows[0]) if rows else []}
    if record_set.uuid == "samples":
        found["ids"] = [row["samples/sample_id"].decode() for row in rows]
print(json.dumps(found))
"""


def read(script: str, argument: Path, home: Path) -> Any:
    """What a script says in the readers' environment."""
    return said_elsewhere("MEDVID_READERS", script, argument, home)


@pytest.mark.parametrize("frames", [False, True])
def test_datasets_loads_the_parquet_export(release: Path, tmp_path: Path, frames: bool) -> None:
    chosen = ExportSettings(format=ExportFormat.PARQUET, frames=frames, rows_per_shard=20)
    summary = export_release(release, tmp_path / "out", chosen)
    found = read(LOAD_PARQUET, tmp_path / "out", tmp_path)
    assert {split: len(held["ids"]) for split, held in found.items()} == summary.pairs
    with ReleaseReader(release) as reader:
        for split, held in found.items():
            assert set(held["ids"]) == {sample.sample_id for sample in reader.samples(split)}
            assert held["streamed"] == len(held["ids"])
            sample = reader.sample(held["first"]["sample_id"])
            assert held["first"]["answer"] == sample.answer
            assert held["first"]["candidates"] == list(sample.candidates)
            assert held["first"]["frame_index"] == list(sample.frame_index)
            expected = len(sample.frame_index) if frames else 0
            assert len(held["frames"]) == expected


def test_mlcroissant_loads_records_of_a_built_release(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from medvid.synthetic import write_tree

    (tmp_path / "cholect50").mkdir()
    write_tree("cholect50", tmp_path / "cholect50", scale=0.0, max_seconds=60)
    done = CliRunner().invoke(app, [
        "build", "--source", f"cholect50={tmp_path / 'cholect50'}", "--no-server",
        "--standard-size", "20", "--output", str(tmp_path / "release"),
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    found = read(LOAD_CROISSANT, tmp_path / "release" / "croissant.json", tmp_path)
    for name in ("samples", "frames", "videos", "pairs", "images"):
        assert found[name]["rows"] > 0, name
    for name, (path, schema, _, _) in TABLES.items():
        table = read_table(tmp_path / "release" / path, schema)
        assert found[name]["rows"] == min(5, table.num_rows), name
    with ReleaseReader(tmp_path / "release") as reader:
        assert all(sample_id in reader for sample_id in found["ids"])
