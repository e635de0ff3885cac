"""Facts of made-up releases: small, large with eight sources, labels only, hostile."""

import hashlib
from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest

from medvid.releases.facts import (
    ContactSheet,
    QuarantineCount,
    ReleaseFacts,
    SampleCount,
    SourceFacts,
)
from schemas.source import DataCard, Licence

OPEN = Licence(
    id="cc-by-4.0", name="Creative Commons Attribution 4.0",
    url="https://creativecommons.org/licenses/by/4.0/", share_media=True, share_labels=True,
    derivatives=True, commercial=True, share_alike=False,
)  # fmt: skip
CLOSED = Licence(
    id="closed-terms", name="Terms of the authors", url=None, share_media=False,
    share_labels=True, derivatives=True, commercial=False, share_alike=False,
)  # fmt: skip
ALIKE = Licence(
    id="cc-by-nc-sa-4.0", name="Creative Commons Attribution-NonCommercial-ShareAlike 4.0",
    url="https://creativecommons.org/licenses/by-nc-sa/4.0/", share_media=True, share_labels=True,
    derivatives=True, commercial=False, share_alike=True,
)  # fmt: skip
LICENCES = (ALIKE, OPEN, CLOSED)
NAMES = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta",
)  # fmt: skip
TASKS = {
    "tal": "tal", "stg": "stg", "next_action": "next_action",
    "dense_captioning": "dense_captioning_label", "video_summary": "video_summary_label",
    "region_caption": "region_caption_label", "skill_assessment": "skill_assessment",
    "cvs_assessment": "cvs_assessment",
}  # fmt: skip
VERBS = ("dissection", "clipping", "irrigation and aspiration", "retraction")
NOUNS = (
    "gallbladder", "cystic artery and its branches", "liver bed", "wall", "cystic duct", "omentum",
    "abdominal wall and peritoneal cavity",
)  # fmt: skip
SHARES = {"train": (85, 10), "val": (3, 0), "test": (12, 0)}


def make_card(name: str, licence: Licence) -> DataCard:
    """A card that says nothing of any real dataset."""
    return DataCard(
        name=name, title=name.capitalize(), licence=licence,
        citation=f"@article{{{name},\n  title = {{{name.capitalize()} & others}},\n}}\n",
        access="Ask the authors.", homepage=f"https://example.org/{name}",
        procedures=("gallbladder removal",),
    )  # fmt: skip


def make_sheet(title: str, width: int = 640) -> ContactSheet:
    """A picture with some texture, so that JPEG and PNG differ in size."""
    rows, columns = np.mgrid[0:240, 0:width]
    grey = (rows * 3 + columns * 5) % 251
    picture = np.stack([grey, (grey * 7) % 256, rows % 256], axis=2).astype(np.uint8)
    png = cv2.imencode(".png", picture)[1].tobytes()
    return ContactSheet(
        title=title, question="When is the clipper in use?", answer="12.0-31.5 seconds", png=png
    )


def _number(*parts: object, below: int) -> int:
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") % below


def _source(name: str, place: int, scale: int) -> SourceFacts:
    videos = {"with samples": 4 * scale, "without samples": place, "quarantined": 1}
    return SourceFacts(
        card=make_card(name, LICENCES[place % len(LICENCES)]),
        videos={word: number for word, number in videos.items() if number},
        records_in={"row": 1000 * scale, "segment": 60 * scale},
        issues={
            "dropped:segment:zero_length": 3, "dropped:segment:reversed": 1 + place,
            "repaired:row:trailing_comma": 7, "flagged:segment:end_past_duration": 11 * scale,
        },
        fates={
            "phase:in_clip": 50 * scale, "phase:too_short": 6, "phase:hole": place,
            "action:in_clip": 8 * scale,
        },
        candidates={"kept": 20 * scale, "too_short": 300, "duplicate": 12, "over_cap": place},
        drops={"stg:two_objects_fit": 5 + place, "next_action:no_next_segment": 4},
    )  # fmt: skip


def _counts(names: tuple[str, ...], scale: int) -> tuple[SampleCount, ...]:
    """Samples by source, task and split; a third of the sources' tasks have none."""
    counts = []
    for (place, name), (task, qa_type) in product(enumerate(names), TASKS.items()):
        if (place + len(task)) % 3 == 2:
            continue
        for split, (share, chosen) in SHARES.items():
            samples = share * scale + _number(name, task, split, below=9)
            counts.append(
                SampleCount(
                    source=name, task=task, qa_type=qa_type, split=split, samples=samples,
                    in_standard=min(samples, chosen * scale),
                )
            )  # fmt: skip
    return tuple(counts)


def _labels(name: str) -> dict[str, int]:
    return {
        f"{word} of the {noun}": 1 + _number(name, word, noun, below=900)
        for word, noun in product(VERBS, NOUNS)
    }


def _quarantine(name: str, place: int) -> tuple[QuarantineCount, ...]:
    return (
        QuarantineCount(source=name, stage="convert", kind="segment", reason="reversed",
                        rows=1 + place, action="Correct the end of the segment."),
        QuarantineCount(source=name, stage="convert", kind="segment", reason="zero_length",
                        rows=3, action="Leave it."),
        QuarantineCount(source=name, stage="integrity", kind="video", reason="truncated",
                        rows=1, action="Fetch the file again."),
    )  # fmt: skip


def make_facts(names: tuple[str, ...], scale: int = 1, **changes: Any) -> ReleaseFacts:
    """Facts whose sums agree.

    Args:
        names: Sources.
        scale: Size; 1 is a demo.
        changes: Fields to replace.
    """
    counts = _counts(names, scale)
    total = sum(count.samples for count in counts)
    sources = {name: _source(name, place, scale) for place, name in enumerate(names)}
    built = sum(source.videos["with samples"] for source in sources.values())
    rates = {"0.1": 9, "0.25": 20 * scale, "0.5": 60 * scale, "1.0": 30 * scale, "2.0": 8}
    lengths = (17 + _number("clip", i, below=300) ** 2 / 50.5 for i in range(sum(rates.values())))
    fields = {
        "name": "made-up", "sources": sources, "counts": counts, "rates": rates,
        "config": {"name": "made-up", "seed": 0, "sources": [{"name": name} for name in names]},
        "versions": {"medvidbench": "0.1.0", "python": "3.11.7", "av": "18.1.0"},
        "identities": {"train": built - 3, "val": 1, "test": 1},
        "videos": {"train": built - 2, "val": 1, "test": 1}, "clip_seconds": tuple(sorted(lengths)),
        "answer_words": tuple(sorted(1 + _number("words", i, below=60) for i in range(total))),
        "labels": {name: _labels(name) for name in names},
        "quarantine": tuple(
            row for place, name in enumerate(names) for row in _quarantine(name, place)
        ),
        "shards": {"media": 8, "large": 12, "standard": 4, "standard-selfcontained": 0},
        "bytes": {"media": 5_321_987_654 * scale, "large": 41_234_567 * scale, "standard": 912_345,
                  "standard-selfcontained": 0, "index": 7_654_321},
        "frames": 80_123 * scale,
        "sheets": (make_sheet(f"tal on {names[0]}"), make_sheet(f"stg on {names[-1]}")),
    }  # fmt: skip
    return ReleaseFacts(**(fields | changes))


@pytest.fixture(scope="session")
def small() -> ReleaseFacts:
    """One source, with pictures."""
    return make_facts(NAMES[:1])


@pytest.fixture(scope="session")
def large() -> ReleaseFacts:
    """Eight sources, all tasks, hundreds of thousands of samples."""
    return make_facts(NAMES, scale=90)


@pytest.fixture(scope="session")
def labels_only() -> ReleaseFacts:
    """No pictures, nothing in quarantine, nothing dropped."""
    card = make_card("alpha", OPEN)
    return make_facts(
        NAMES[:1], frames=0, sheets=(), quarantine=(), shards={"large": 3}, bytes={"large": 4096},
        sources={"alpha": SourceFacts(card=card, videos={"with samples": 4})},
    )  # fmt: skip


@pytest.fixture(scope="session")
def hostile() -> ReleaseFacts:
    """Every string that comes from outside tries to leave its place."""
    evil = (
        "</pre></td><script>alert(\"1\")</script><img src=x onerror='alert(2)'> ]]> {{ 7*7 }} "
        "$x_1$ | ``` \n---\n# boo"
    )
    closed = CLOSED.model_copy(update={"url": 'https://e.org/"><script>', "name": evil})
    card = make_card("alpha", OPEN).model_copy(
        update={"title": evil, "citation": evil, "access": evil, "homepage": "javascript:alert(3)",
                "licence": closed}
    )  # fmt: skip
    base = make_facts(NAMES[:1])
    source = base.sources["alpha"].model_copy(
        update={
            "card": card, "videos": {"with samples": 4, evil: 2}, "records_in": {evil: 5},
            "issues": {f"dropped:{evil}:{evil}": 2, f"flagged:row:{evil}": 1},
            "fates": {f"phase:{evil}": 1}, "candidates": {evil: 1}, "drops": {f"tal:{evil}": 1},
        }
    )  # fmt: skip
    return base.model_copy(
        update={
            "sources": {"alpha": source}, "labels": {"alpha": {evil: 3, "胆囊 🔪": 2}},
            "quarantine": (QuarantineCount(source="alpha", stage="convert", kind="row",
                                           reason=evil, rows=1, action=evil),),
            "config": {"name": evil, evil: [evil]}, "versions": {evil: evil},
            "sheets": (make_sheet(evil).model_copy(update={"question": evil, "answer": evil}),),
        }
    )  # fmt: skip
