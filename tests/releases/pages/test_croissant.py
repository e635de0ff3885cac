"""Croissant metadata: complete, consistent in itself, and a true image of the facts."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medvid.releases.croissant import render_croissant
from medvid.releases.croissant_records import DESCRIPTIONS, TABLES
from medvid.releases.facts import ReleaseFacts

DATE = "2026-11-23"
NODES = ("fileObject", "fileSet", "field")


def _files(sources: int = 2, *, media: bool = True) -> dict[str, tuple[str, int]]:
    names = [
        *(f"large/{split}-{bucket:03d}.tar" for split in ("train", "test") for bucket in range(3)),
        "large/.nv-meta/index.sqlite", "standard/train-000.tar", "index/samples.parquet",
        "index/videos.parquet", "index/frames.parquet", "index/left_out.parquet",
        "index/subsets.parquet", "quarantine.parquet", "report.html",
        "README.md",
    ]  # fmt: skip
    if media:
        names += [f"media/source{number}-000.tar" for number in range(sources)]
    return {name: (hashlib.sha256(name.encode()).hexdigest(), 100 + len(name)) for name in names}


def _load(facts: ReleaseFacts, files: dict[str, tuple[str, int]] | None = None) -> dict[str, Any]:
    document = json.loads(render_croissant(facts, _files() if files is None else files, DATE))
    assert isinstance(document, dict)
    return document


def _walk(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in ("@context", "data"):
                yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def test_equal_arguments_give_equal_bytes_in_any_order(large: ReleaseFacts) -> None:
    files = _files()
    backwards = dict(reversed(files.items()))
    assert render_croissant(large, files, DATE) == render_croissant(large, backwards, DATE)


def test_shards_and_tables_are_listed_with_hash_and_size(small: ReleaseFacts) -> None:
    files = _files()
    listed = {
        node["contentUrl"]: (node["sha256"], node["contentSize"], node["encodingFormat"])
        for node in _load(small, files)["distribution"]
        if node["@type"] == "cr:FileObject"
    }
    kinds = {".tar": "application/x-tar", ".parquet": "application/x-parquet"}
    assert listed == {
        name: (sha256, f"{size} B", kinds[Path(name).suffix])
        for name, (sha256, size) in files.items()
        if Path(name).suffix in kinds
    }


def test_ids_are_unique_and_every_reference_has_its_node(large: ReleaseFacts) -> None:
    document = _load(large)
    defined = [n["@id"] for n in _walk(document) if "@id" in n and "@type" in n]
    own = [name for name in defined if not name.startswith("https://")]
    assert len(own) == len(set(own))
    for node in _walk(document):
        targets = [node.get(name) for name in NODES]
        targets += node.get("containedIn", [])
        targets += node["key"] if isinstance(node.get("key"), list) else [node.get("key")]
        for target in targets:
            if isinstance(target, dict) and set(target) == {"@id"}:
                assert target["@id"] in own


def test_file_sets_hold_the_tars_of_their_folder(small: ReleaseFacts) -> None:
    files = _files()
    sets = {n["@id"]: n for n in _load(small, files)["distribution"] if n["@type"] == "cr:FileSet"}
    held = {name: [item["@id"] for item in node["containedIn"]] for name, node in sets.items()}
    assert held == {
        "media-frames": sorted(n for n in files if n.startswith("media/")),
        "large-pairs": sorted(n for n in files if n.startswith("large/") and n.endswith(".tar")),
        "standard-pairs": ["standard/train-000.tar"],
    }


def test_every_column_of_the_tables_is_a_described_field(small: ReleaseFacts) -> None:
    sets = {node["@id"]: node for node in _load(small)["recordSet"]}
    for name, (path, schema, _, _) in TABLES.items():
        fields = {node["name"]: node for node in sets[name]["field"]}
        assert list(fields) == schema.names
        for column in schema:
            node = fields[column.name]
            extract = {"fileObject": {"@id": path}, "extract": {"column": column.name}}
            assert node["source"] == extract
            assert node["description"] == DESCRIPTIONS[name][column.name]
    assert sum(len(node["field"]) for node in sets.values()) < 100
    assert sets["samples"]["field"][9]["references"] == {"field": {"@id": "splits/name"}}


def test_splits_are_those_with_samples(small: ReleaseFacts) -> None:
    counts = tuple(count for count in small.counts if count.split != "val")
    sets = {n["@id"]: n for n in _load(small.model_copy(update={"counts": counts}))["recordSet"]}
    assert sets["splits"]["data"] == [
        {"splits/name": "train", "splits/url": "cr:TrainingSplit"},
        {"splits/name": "test", "splits/url": "cr:TestSplit"},
    ]


def test_labels_only_describe_no_pictures(labels_only: ReleaseFacts) -> None:
    document = _load(labels_only, _files(media=False))
    names = {node["@id"] for node in [*document["distribution"], *document["recordSet"]]}
    assert "images" not in names
    assert "media-frames" not in names
    assert "labels only" in document["description"]


def test_terms_forbid_what_the_flags_forbid(large: ReleaseFacts) -> None:
    whole, *each = _load(large)["usageInfo"]
    assert len(each) == len(large.sources)
    for node, source in zip(each, large.sources.values(), strict=True):
        licence = source.card.licence
        assert _rules(node, "permission")["odrl:distribute", "pictures"] == licence.share_media
        assert _rules(node, "prohibition")["cc:CommercialUse", ""] == (not licence.commercial)
        bound = "odrl:constraint" in node["odrl:permission"][0]
        assert bound == (not licence.commercial)
        duties = [rule for rule in node["odrl:permission"] if "odrl:duty" in rule]
        assert bool(duties) == licence.share_alike
    assert _rules(whole, "prohibition")["odrl:distribute", "pictures"]
    assert _rules(whole, "prohibition")["cc:CommercialUse", ""]
    assert not _rules(whole, "prohibition")["odrl:derive", ""]


class _Rules(dict[tuple[str, str], bool]):
    def __missing__(self, key: tuple[str, str]) -> bool:
        return False


def _rules(node: dict[str, Any], kind: str) -> _Rules:
    found = node.get(f"odrl:{kind}", [])
    return _Rules({(r["odrl:action"]["@id"], r.get("odrl:target", "")): True for r in found})


def test_numbers_licences_and_citations_are_the_facts(large: ReleaseFacts) -> None:
    document = _load(large)
    total = sum(count.samples for count in large.counts)
    standard = sum(count.in_standard for count in large.counts)
    for number in (total, standard, sum(large.videos.values()), large.frames):
        assert f"{number:,}" in document["description"]
    cards = [source.card for source in large.sources.values()]
    assert {node["name"] for node in document["license"]} == {c.licence.name for c in cards}
    assert {node.get("url") for node in document["license"]} == {c.licence.url for c in cards}
    assert all(card.citation.strip() in document["citeAs"] for card in cards)
    rows = sum(row.rows for row in large.quarantine)
    assert document["rai:dataCollectionMissingData"].endswith(f"their reason: {rows:,}.")
    assert (
        f"{sum(s.videos['quarantined'] for s in large.sources.values())} quarantined"
        in (document["rai:dataCollectionMissingData"])
    )
    assert [node["@id"] for node in document["prov:wasDerivedFrom"]] == [c.homepage for c in cards]
    assert document["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    assert document["rai:machineAnnotationTools"] == [
        "medvidbench 0.1.0 label-grounded caption writer"
    ]


def test_captions_are_called_machine_made_only_where_there_are_some(small: ReleaseFacts) -> None:
    plain = tuple(count for count in small.counts if not count.qa_type.endswith("_label"))
    document = _load(small.model_copy(update={"counts": plain}))
    assert "rai:machineAnnotationTools" not in document
    assert "composed" not in json.dumps(document)


def test_version_follows_the_bytes_and_the_date_is_given(small: ReleaseFacts) -> None:
    files = _files()
    first = _load(small, files)
    assert first["datePublished"] == DATE
    files["large/train-000.tar"] = ("0" * 64, 1)
    assert _load(small, files)["version"] != first["version"]
    assert first["version"].startswith("1.0.0+")
    assert "datePublished" not in json.loads(render_croissant(small, files, None))


def test_hostile_text_names_no_node_and_no_address(hostile: ReleaseFacts) -> None:
    document = _load(hostile)
    for node in _walk(document):
        assert "<" not in node.get("@id", "")
        assert "script" not in node.get("@id", "")
        assert not str(node.get("url", "")).startswith("javascript")
    assert "@id" not in document["prov:wasDerivedFrom"][0]


@pytest.mark.parametrize("name", ["small", "large", "labels_only", "hostile"])
def test_the_reference_validator_accepts_it(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Runs where MEDVID_MLCROISSANT names the `mlcroissant` 1.1 command of another environment."""
    command = os.environ.get("MEDVID_MLCROISSANT")
    if not command:
        pytest.skip("MEDVID_MLCROISSANT names no validator")
    facts: ReleaseFacts = request.getfixturevalue(name)
    files = _files(8, media=bool(facts.frames))
    path = tmp_path / "croissant.json"
    path.write_bytes(render_croissant(facts, files, DATE))
    done = subprocess.run(
        [command, "validate", "--jsonld", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
