"""The data code of ms-swift and LLaMA-Factory on what is exported for them.

Both bring a torch of their own, so each lives in an environment of its own, whose Python
MEDVID_SWIFT and MEDVID_LLAMAFACTORY name. No model and no processor is needed.
"""

import os
from pathlib import Path

import pytest

from medvid.releases.exports import ExportFormat, MediaStyle, export_release
from tests.releases.exports.exported import lines, said_elsewhere, settings

BLOCK = 10 << 20
"""Bytes from which `datasets` takes the types of a file."""

LOAD_SWIFT = """
import json, os, sys
from pathlib import Path
from swift.dataset import load_dataset
from swift.template.vision_utils import load_image
os.chdir(sys.argv[1])
found = {}
for path in sorted(Path().glob("*.jsonl")):
    for streaming in (False, True):
        rows, _ = load_dataset([path.name], strict=True, streaming=streaming)
        held = found[f"{path.stem} {streaming}"] = []
        for row in rows:
            kept = {key: row[key] for key in ("messages", "videos", "objects") if row.get(key)}
            if "images" in row:
                kept["images"] = [image["path"] for image in row["images"]]
            boxes = (row.get("objects") or {}).get("bbox", [])
            if boxes:
                kept["sizes"] = [
                    load_image(kept["images"][at]).size for at in row["objects"]["image_id"]
                ]
            held.append(kept)
print(json.dumps(found))
"""

LOAD_LLAMAFACTORY = """
import json, sys
from pathlib import Path
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import DataArguments, ModelArguments, TrainingArguments
folder = sys.argv[1]
found = {}
for name in json.loads((Path(folder) / "dataset_info.json").read_text()):
    chosen = DataArguments(dataset_dir=folder, dataset=name)
    model = ModelArguments(model_name_or_path="none")
    run = TrainingArguments(output_dir=folder + "-run")
    rows = _get_merged_dataset(chosen.dataset, model, chosen, run, "sft")
    found[name.removeprefix("medvidbench_")] = [
        {
            "turns": [(t["role"], t["content"]) for t in row["_prompt"] + row["_response"]],
            "images": row["_images"], "videos": row["_videos"],
        }
        for row in rows
    ]
print(json.dumps(found))
"""


@pytest.mark.skipif("MEDVID_SWIFT" not in os.environ, reason="MEDVID_SWIFT names no Python")
@pytest.mark.parametrize(
    ("media", "objects"),
    [(MediaStyle.IMAGES, False), (MediaStyle.IMAGES, True), (MediaStyle.VIDEOS, False)],
)
def test_ms_swift_keeps_every_row_as_it_stands(
    release: Path, tmp_path: Path, media: MediaStyle, objects: bool
) -> None:
    out = tmp_path / "out"
    chosen = settings(ExportFormat.MS_SWIFT, media=media, objects=objects)
    summary = export_release(release, out, chosen)
    found = said_elsewhere("MEDVID_SWIFT", LOAD_SWIFT, out, tmp_path)
    assert len(found) == 2 * len(summary.pairs)
    sizes = 0
    for name, held in found.items():
        rows = lines(out / f"{name.split()[0]}.jsonl")
        assert len(held) == len(rows) == summary.pairs[name.split()[0]]
        for row, kept in zip(rows, held, strict=True):
            assert kept["messages"] == row["messages"]
            assert kept[media.value] == row[media.value]
            assert kept.get("objects") == row.get("objects")
            for (_, _, right, bottom), size in zip(
                row.get("objects", {}).get("bbox", []), kept.get("sizes", []), strict=True
            ):
                assert right <= size[0] + 1
                assert bottom <= size[1] + 1
                sizes += 1
    assert (sizes > 0) is objects


@pytest.mark.skipif("MEDVID_SWIFT" not in os.environ, reason="MEDVID_SWIFT names no Python")
def test_ms_swift_reads_boxes_that_come_after_the_first_block(
    release: Path, tmp_path: Path
) -> None:
    chosen = settings(ExportFormat.MS_SWIFT, objects=True, frames=False)
    export_release(release, tmp_path / "out", chosen)
    (tmp_path / "long").mkdir()
    first, *rest = (tmp_path / "out" / "train.jsonl").read_bytes().splitlines(keepends=True)
    plain = [row for row in rest if b'"bbox":[]' in row]
    boxed = [row for row in rest if b'"bbox":[]' not in row]
    assert b'"bbox":[]' not in first
    assert plain
    assert boxed
    repeats = 2 * BLOCK // sum(map(len, plain)) + 1
    whole = [first, *plain * repeats, *boxed]
    (tmp_path / "long" / "train.jsonl").write_bytes(b"".join(whole))
    count = (
        LOAD_SWIFT.split("found = {}")[0]
        + """
rows, _ = load_dataset(["train.jsonl"], strict=True)
print(json.dumps([len(rows), sum(bool(row["objects"]["bbox"]) for row in rows)]))
"""
    )
    found = said_elsewhere("MEDVID_SWIFT", count, tmp_path / "long", tmp_path)
    assert found == [len(whole), 1 + len(boxed)]


@pytest.mark.skipif(
    "MEDVID_LLAMAFACTORY" not in os.environ, reason="MEDVID_LLAMAFACTORY names no Python"
)
@pytest.mark.parametrize("media", list(MediaStyle))
def test_llamafactory_aligns_every_row_with_its_pictures(
    release: Path, tmp_path: Path, media: MediaStyle
) -> None:
    out = tmp_path / "out"
    summary = export_release(release, out, settings(ExportFormat.LLAMAFACTORY, media=media))
    found = said_elsewhere("MEDVID_LLAMAFACTORY", LOAD_LLAMAFACTORY, out, tmp_path)
    assert {split: len(held) for split, held in found.items()} == summary.pairs
    tag = "<video>" if media is MediaStyle.VIDEOS else "<image>"
    other = "videos" if media is MediaStyle.IMAGES else "images"
    for split, held in found.items():
        for row, kept in zip(lines(out / f"{split}.jsonl"), held, strict=True):
            (_, question), (_, answer) = kept["turns"]
            assert [role for role, _ in kept["turns"]] == ["user", "assistant"]
            assert [question, answer] == [turn["value"] for turn in row["conversations"]]
            assert question.count(tag) == len(kept[media.value])
            assert kept[other] is None
            given, named = kept[media.value], row[media.value]
            if media is MediaStyle.VIDEOS:
                (given,), (named,) = given, named
            assert given == [str(out / path) for path in named]
