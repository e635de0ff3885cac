"""What lies beside every export: `README.md` for people, `export.json` for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import yaml

from medvid.releases.card_check import HUB_LICENCES
from medvid.releases.exports.licences import citations, licence_lines
from medvid.releases.exports.parquet import card_configs
from medvid.releases.exports.selection import Count
from medvid.releases.exports.settings import ExportFormat, ExportSettings, MediaStyle
from schemas.scalars import SCHEMA_VERSION

README_FILE: Final = "README.md"
FACTS_FILE: Final = "export.json"


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """An export in numbers.

    Attributes:
        settings: What was asked for.
        release_sha256: Hash of the manifest of the release.
        counts: Pairs by source, task, split and licence.
        splits: Splits that were written.
        frames: Frame files that were written, -1 where frames are within other files.
        with_frames: Whether the export holds frames.
        regions: Boxed frames drawn as files of their own.
        smaller: Sources whose frames are stored smaller than the original image.
        spacing: Source, least and most mean seconds between the pictures of a clip (trainers).
    """

    settings: ExportSettings
    release_sha256: str
    counts: tuple[Count, ...]
    splits: tuple[str, ...]
    frames: int
    with_frames: bool
    regions: int
    smaller: tuple[str, ...]
    spacing: tuple[tuple[str, float, float], ...] = ()


def render_facts(facts: ExportFacts) -> bytes:
    """`export.json`: equal exports give equal bytes."""
    chosen = facts.settings.model_dump(mode="json")
    document = {
        "schema_version": SCHEMA_VERSION,
        "settings": chosen,
        "release_manifest_sha256": facts.release_sha256,
        "pairs": sum(count.rows for count in facts.counts),
        "counts": [
            {"source": c.source, "task": c.task, "split": c.split, "licence": c.licence,
             "rows": c.rows}
            for c in facts.counts
        ],
        "frames": facts.frames,
        "regions": facts.regions,
        "stored_smaller": list(facts.smaller),
        "spacing_s": {source: [least, most] for source, least, most in facts.spacing},
    }  # fmt: skip
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def render_readme(facts: ExportFacts) -> bytes:
    """`README.md`, with the front matter of the Hub where `datasets` reads the folder."""
    parts = [
        _front_matter(facts) if facts.settings.format is ExportFormat.PARQUET else "",
        f"# Medical video instruction pairs, {facts.settings.format.value} export\n",
        f"{sum(count.rows for count in facts.counts):,} pairs, exported from the release whose "
        f"manifest has sha256 `{facts.release_sha256}`.\n",
        _table(facts.counts, facts.splits),
        f"## How to load\n\n{_how_to_load(facts)}\n",
        f"## What to know\n\n{_what_to_know(facts)}\n",
        "## Licences\n\n" + "\n".join(f"- {line}" for line in licence_lines(facts.counts)) + "\n",
        "## Citations\n\n```bibtex\n" + "\n\n".join(citations(facts.counts)) + "\n```\n",
    ]
    return "\n".join(part for part in parts if part).encode()


def _front_matter(facts: ExportFacts) -> str:
    licences = sorted({count.licence for count in facts.counts})
    one = licences[0] if len(licences) == 1 and licences[0] in HUB_LICENCES else None
    named = {"license": one} if one else {
        "license": "other", "license_name": "-and-".join(licences),
    }  # fmt: skip
    fields = {
        **named, "language": ["en"], "task_categories": ["video-text-to-text"],
        "tags": ["medical", "video"], "configs": card_configs(facts.splits),
    }  # fmt: skip
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---\n"


def _table(counts: Sequence[Count], splits: Sequence[str]) -> str:
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for count in counts:
        row = rows.setdefault((count.source, count.task), {})
        row[count.split] = row.get(count.split, 0) + count.rows
    lines = [
        f"| source | task | {' | '.join(splits)} |",
        f"| --- | --- | {' | '.join('---:' for _ in splits)} |",
    ]
    lines.extend(
        f"| {source} | {task} | {' | '.join(f'{row.get(split, 0):,}' for split in splits)} |"
        for (source, task), row in sorted(rows.items())
    )
    return "\n".join(lines) + "\n"


def _how_to_load(facts: ExportFacts) -> str:
    split = facts.splits[0]
    return {
        ExportFormat.MEDVIDBENCH: (
            f"`medvidbench_{split}.json` is a JSON array of official rows. Paths in `video` are "
            "relative to this folder."
        ),
        ExportFormat.MS_SWIFT: (
            f"`swift sft --dataset {split}.jsonl …`, run in this folder."
        ),
        ExportFormat.LLAMAFACTORY: (
            f"Set `dataset_dir` and `media_dir` to this folder, and `dataset: medvidbench_{split}`."
        ),
        ExportFormat.SELFCONTAINED: (
            f'`webdataset.WebDataset("{split}-00000.tar")`: `frames` holds the JPEGs of a clip one '
            "after the other, `json` where each begins and all pairs of the clip."
        ),
        ExportFormat.PARQUET: (
            f'`datasets.load_dataset("FOLDER", split="{split}")`.'
        ),
    }[facts.settings.format]  # fmt: skip


def _what_to_know(facts: ExportFacts) -> str:
    settings = facts.settings
    notes = [
        "- Times in questions and answers are seconds from a clip's first frame; boxes are "
        "x1, y1, x2, y2 in pixels of the original image."
    ]
    if not facts.with_frames:
        notes.append("- Frames are not part of this export.")
    if facts.smaller:
        notes.append(
            f"- Frames of {', '.join(facts.smaller)} are stored smaller than the original image: "
            "scale boxes by the ratio of the sizes before drawing or comparing them."
        )
    if settings.format in (ExportFormat.MS_SWIFT, ExportFormat.LLAMAFACTORY):
        notes.extend(_what_trainers_do(facts))
    if settings.map_label_captions:
        notes.append(
            "- Captions made from labels alone are written as `…_gpt`, though no model wrote them."
        )
    return "\n".join(notes)


def _what_trainers_do(facts: ExportFacts) -> list[str]:
    """What ms-swift and LLaMA-Factory make of the rows."""
    settings, notes = facts.settings, []
    if settings.objects and facts.with_frames:
        notes.append(
            "- Boxes of `objects` are in pixels of the pictures here, not of the original."
        )
    if facts.regions:
        notes.append("- Frames under `regions/` show the box that a region question asks about.")
    else:
        notes.append(
            "- No picture shows the box of a region question: such rows lack what they ask about."
        )
    if settings.media_style is MediaStyle.VIDEOS:
        rate = (
            "`FPS=1 swift sft …`"
            if settings.format is ExportFormat.MS_SWIFT
            else "`video_fps: 1.0`"
        )
        notes.append(
            "- A clip is one `<video>` given as a list of pictures. The trainer takes them to be "
            f"evenly apart, half a second unless told otherwise ({rate} for a second)."
        )
    else:
        notes.append("- Rows do not tell a model at which second a picture was taken.")
    if facts.spacing:
        spans = "; ".join(f"{source} {_span(*span)}" for source, *span in facts.spacing)
        notes.append(f"- Mean seconds between the pictures of a clip, least to most: {spans}.")
    return notes


def _span(least: float, most: float) -> str:
    return f"{least:.2f}" if least == most else f"{least:.2f} to {most:.2f}"
