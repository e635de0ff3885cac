"""How long a submission of the test split's size takes to score, stage by stage.

Rows have the split's counts by task; answers are a plausible model's: mostly in the grammar, some
off, some in prose. Run: `python benchmarks/evaluate.py`. Targets: 6,245 rows in under 5 s without a
judge and under 1 GiB. BLAS gets one thread, as in the `medvid` command, unless
`OPENBLAS_NUM_THREADS` says otherwise; the load of the machine is written beside the figures.
"""

import os
import random
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from medvid.evaluation.metrics import caption_pairs, evaluate
from medvid.evaluation.official.labels import official_labels
from medvid.evaluation.rows import Profile, TruthEvent, TruthRow
from medvid.language.encoder import SentenceEncoder
from medvid.tasks.modules.cvs_assessment import CRITERIA
from medvid.tasks.modules.skill_assessment import ASPECTS
from schemas.source import TaskName

COUNTS: Final = {
    TaskName.TAL: 1637, TaskName.STG: 780, TaskName.DENSE_CAPTIONING: 1479,
    TaskName.REGION_CAPTION: 306, TaskName.VIDEO_SUMMARY: 565, TaskName.NEXT_ACTION: 670,
    TaskName.CVS_ASSESSMENT: 648, TaskName.SKILL_ASSESSMENT: 160,
}  # fmt: skip
WORDS: Final = (
    "the",
    "surgeon",
    "grasps",
    "and",
    "dissects",
    "tissue",
    "with",
    "a",
    "hook",
    "near",
    "duct",
)
PROFILES: Final[tuple[Profile, ...]] = ("official", "strict")
PROSE: Final = "The surgeon seems to begin with cutting, and goes on to tie a knot."


def make_rows(seed: int) -> tuple[list[TruthRow], list[str]]:
    """Draw rows and answers."""
    rng = random.Random(seed)
    rows: list[TruthRow] = []
    answers: list[str] = []
    for task, count in COUNTS.items():
        for _ in range(count):
            facts, answer = MAKERS[task](rng)
            rows.append(TruthRow(
                index=len(rows), row_id="", qa_type=task.value, task=task, dataset_name="",
                video_id=f"v{rng.randrange(60)}", clip_key="", question="", fps=1.0,
                **{"source": "avos", **facts},
            ))  # fmt: skip
            answers.append(PROSE if rng.random() < 0.05 else answer)
    return rows, answers


def make_spans(rng: random.Random) -> list[tuple[float, float]]:
    """A few spans in order."""
    at, spans = 0.0, []
    for _ in range(rng.randint(1, 8)):
        start = round(at + rng.uniform(0, 9), 1)
        at = round(start + rng.uniform(0, 20), 1)
        spans.append((start, at))
    return spans


def shaken(rng: random.Random, spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans as a model would tell them, one left out or added now and then."""
    kept = [span for span in spans if rng.random() < 0.8] + make_spans(rng)[: rng.randint(0, 1)]
    return [(max(0, s + rng.uniform(-2, 2)), max(0, e + rng.uniform(-2, 2))) for s, e in kept]


def make_tal(rng: random.Random) -> tuple[dict[str, Any], str]:
    """Localisation."""
    spans = make_spans(rng)
    told = ", ".join(f"{s:.1f}-{e:.1f}" for s, e in shaken(rng, spans))
    return {"spans": spans}, f"{told} seconds."


def make_stg(rng: random.Random) -> tuple[dict[str, Any], str]:
    """Grounding."""
    boxes, told = {}, []
    for place in range(rng.randint(2, 8)):
        x, y = rng.uniform(0, 700), rng.uniform(0, 300)
        boxes[4.0 * place] = (x, y, x + rng.uniform(20, 200), y + rng.uniform(20, 200))
        numbers = ", ".join(f"{value + rng.uniform(-20, 20):.2f}" for value in boxes[4.0 * place])
        told.append(f"{4.0 * place} seconds: [{numbers}]")
    return {"boxes": boxes, "source": "cholectrack20"}, " ".join(told)


def make_dense(rng: random.Random) -> tuple[dict[str, Any], str]:
    """Dense captions."""
    spans = make_spans(rng)
    events = [TruthEvent(start=s, end=e, caption=make_text(rng, 25)) for s, e in spans]
    told = (f"{s:.1f}-{e:.1f} seconds: {make_text(rng, 25)}" for s, e in shaken(rng, spans))
    return {"events": events, "source": rng.choice(("avos", "nurvid"))}, "\n".join(told)


def make_caption(rng: random.Random) -> tuple[dict[str, Any], str]:
    """Summaries and region captions."""
    return {"caption": make_text(rng, 60), "source": "copesd"}, make_text(rng, 60)


def make_label(rng: random.Random) -> tuple[dict[str, Any], str]:
    """Next actions; one answer in five is no label, so that the encoder has work."""
    labels = official_labels().sources["copesd"]
    guess = rng.choice(labels)
    return (
        {"label": rng.choice(labels), "source": "copesd"},
        guess if rng.random() < 0.8 else f"{guess} {make_text(rng, 4)}",
    )


def make_skill(rng: random.Random) -> tuple[dict[str, Any], str]:
    """Skill."""
    told = ", ".join(f"{aspect}: {rng.randint(1, 5)}/5" for aspect in ASPECTS)
    return {"skill": {aspect: rng.randint(1, 5) for aspect in ASPECTS}, "source": "jigsaws"}, told


def make_cvs(rng: random.Random) -> tuple[dict[str, Any], str]:
    """Critical view of safety."""
    told = ", ".join(f"{name}: {rng.randint(0, 2)}" for name in CRITERIA.values())
    return {"cvs": {name: rng.randint(0, 2) for name in CRITERIA}, "source": "cholec80cvs"}, told


def make_text(rng: random.Random, words: int) -> str:
    """Some words."""
    return " ".join(rng.choices(WORDS, k=words))


MAKERS: Final[dict[TaskName, Callable[[random.Random], tuple[dict[str, Any], str]]]] = {
    TaskName.TAL: make_tal, TaskName.STG: make_stg, TaskName.DENSE_CAPTIONING: make_dense,
    TaskName.REGION_CAPTION: make_caption, TaskName.VIDEO_SUMMARY: make_caption,
    TaskName.NEXT_ACTION: make_label, TaskName.CVS_ASSESSMENT: make_cvs,
    TaskName.SKILL_ASSESSMENT: make_skill,
}  # fmt: skip


def timed(name: str, stage: Callable[[], Any]) -> tuple[Any, float]:
    """Run a stage and write what it took of the clock and of the processors."""
    began, spent = time.perf_counter(), time.process_time()
    result = stage()
    took = time.perf_counter() - began
    spent = time.process_time() - spent
    sys.stdout.write(f"{name:<28}{took:8.2f} s{spent:8.2f} s CPU\n")
    return result, took


def main() -> None:
    """Write the stages, their sum and the memory at its highest."""
    (rows, answers), _ = timed("make rows (not counted)", lambda: make_rows(0))
    encoder, loading = timed("load the encoder", SentenceEncoder)
    pairs, pairing = timed("pairs for a judge", lambda: caption_pairs(rows, answers))
    total = loading + pairing
    for profile in PROFILES:
        scores, took = timed(profile, partial(evaluate, rows, answers, profile, encoder))
        total += took
        for name, column in scores.columns.items():
            if column.value is not None:
                sys.stdout.write(f"    {name:<16}{column.value:8.3f}\n")
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"{len(rows)} rows, {len(pairs)} pairs: {total:.2f} s, {highest:.0f} MiB\n")
    load, cores = os.getloadavg()[0], os.cpu_count()
    sys.stdout.write(f"load {load:.1f} on {cores} cores\n")


if __name__ == "__main__":
    main()
