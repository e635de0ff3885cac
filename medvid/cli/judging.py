"""Has captions judged for `medvid evaluate`, and prints how far the judge can be trusted."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from medvid.cli.output import console, counted, print_table
from medvid.evaluation.judge import (
    AgreementReport,
    JudgeReport,
    JudgeSettings,
    Rating,
    agreement_with,
    load_ratings,
    pairs_to_judge,
)
from medvid.evaluation.metrics import caption_pairs
from medvid.evaluation.run import Judged, Matched
from medvid.evaluation.run_judge import judge_submission
from medvid.evaluation.truth import Truth
from medvid.language import CallCache, LanguageClient, LanguageSettings, Usage
from schemas.hashing import canonical_json

_progress = Console(stderr=True, highlight=False, soft_wrap=True)


class Judging:
    """A judge, or the fallback that is none, and what people said of the same pairs."""

    def __init__(
        self, settings: JudgeSettings, cache: Path, ratings: Path | None, *, similarity: bool
    ) -> None:
        """Read settings and ratings, so that their faults cost no call.

        Args:
            settings: How to judge.
            cache: Folder of paid answers.
            ratings: File of human ratings.
            similarity: Compare by meaning, even where a judge is set up.

        Raises:
            ConfigError: The environment names half an endpoint, or something meaningless.
            SourceError: The ratings cannot be read.
        """
        self._settings, self._cache = settings, cache
        self._endpoint = None if similarity else LanguageSettings.from_environment()
        self._ratings: list[Rating] = load_ratings(ratings) if ratings else []
        if self._endpoint is None and not similarity:
            _progress.print(
                "no judge is set up (MEDVID_LLM_BASE_URL, MEDVID_LLM_MODEL): captions are compared "
                "by meaning alone, on a scale of its own",
                markup=False,
            )

    def judge(self, truth: Truth, matched: Matched) -> tuple[Judged, JudgeReport]:
        """Score the caption pairs of a submission.

        Raises:
            LanguageError: The endpoint is broken, the budget spent, or no encoder is installed.
        """
        if self._endpoint is None:
            return judge_submission(truth, matched, None, progress=_told("compared"))
        with (
            closing(CallCache(self._cache)) as calls,
            LanguageClient(self._endpoint, calls) as client,
        ):
            judged, report = judge_submission(
                truth, matched, client, self._settings, progress=_told("judged")
            )
            usage = client.usage
        counts = ", ".join(f"{count:,} {name}" for name, count in report.counts().items() if count)
        _progress.print(f"judge: {counts or 'no captions'}; {_spent(usage)}", markup=False)
        return judged, report

    def agreement(self, report: JudgeReport) -> AgreementReport | None:
        """Agreement with people; None without ratings.

        Raises:
            SampleError: The ratings are of other pairs.
        """
        return agreement_with(report, self._ratings) if self._ratings else None


def judgement_lines(truth: Truth, matched: Matched, report: JudgeReport) -> bytes:
    """JSON lines, one a caption pair: its id, texts and scores.

    The ids are those that a ratings file names; who rates blind reads the lines of a run with
    `--similarity`, which hold no judge's marks.
    """
    pairs = pairs_to_judge(caption_pairs(truth.rows, matched.texts))
    lines = [
        canonical_json({
            **pair.model_dump(mode="json"), **found.model_dump(mode="json"), "label": report.label,
        })
        for pair, found in zip(pairs, report.judgements, strict=True)
    ]  # fmt: skip
    return b"".join(line + b"\n" for line in lines)


def judge_facts(report: JudgeReport, agreement: AgreementReport | None) -> dict[str, Any]:
    """What a judge's report says as a whole, for programs."""
    return {
        "label": report.label,
        "scale": report.scale,
        "settings": report.settings.model_dump(mode="json") if report.scale == "1-5" else None,
        "counts": report.counts(),
        "dimension_means": {str(name): mean for name, mean in report.dimension_means().items()},
        "consistency": report.consistency.model_dump(mode="json"),
        "agreement": agreement.model_dump(mode="json") if agreement else None,
    }


def print_judge(report: JudgeReport, agreement: AgreementReport | None) -> None:
    """Print the judge's means by dimension, how far it agrees with itself, and with people."""
    means = report.dimension_means()
    if means:
        console.print()
        print_table(
            f"mean of each dimension, {report.label}", ["dimension", "mean"],
            [[str(name), f"{mean:.3f}"] for name, mean in means.items()],
        )  # fmt: skip
    unjudged = report.counts()["unjudged"]
    if unjudged:
        reasons = sorted({found.reason for found in report.judgements if found.reason})
        console.print(
            f"left out: {counted(unjudged, 'pair')} without a score ({', '.join(reasons)})",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    _print_consistency(report)
    if agreement is not None:
        _print_agreement(agreement)


def _print_consistency(report: JudgeReport) -> None:
    found = report.consistency
    if not found.checked:
        return
    console.print()
    print_table(
        f"the judge against itself, {counted(found.checked, 'pair')} checked, "
        f"{counted(found.missing, 'further judgement')} without scores",
        ["check", "scores", "equal", "within one", "shift"],
        [
            ["repeated", found.repeat_comparisons, _number(found.repeat_equal),
             _number(found.repeat_within_one), ""],
            ["roles exchanged", found.swap_comparisons, _number(found.swap_equal),
             _number(found.swap_within_one), _number(found.swap_shift)],
        ],
    )  # fmt: skip


def _print_agreement(found: AgreementReport) -> None:
    console.print()
    print_table(
        f"agreement with {counted(found.raters, 'rater')}, {found.judge}",
        ["dimension", "pairs", "Pearson", "Spearman", "ratings", "kappa", "quadratic kappa",
         "within one"],
        [
            [a.dimension, a.pairs, _number(a.pearson), _number(a.spearman), a.ratings,
             _number(a.kappa), _number(a.kappa_quadratic), _number(a.within_one)]
            for a in found.agreements
        ],
    )  # fmt: skip
    if found.unmatched:
        unmatched = counted(found.unmatched, "rating")
        console.print(f"{unmatched} of pairs that have no score here", markup=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _told(what: str) -> Callable[[int, int], None]:
    """Progress on a terminal, in place; silence elsewhere."""

    def tell(done: int, total: int) -> None:
        if _progress.is_terminal:
            end = "\n" if done == total else "\r"
            _progress.print(f"{what} {done:,} of {total:,}", end=end, markup=False)

    return tell


def _spent(usage: Usage) -> str:
    parts = [
        f"{counted(usage.calls, 'call')} paid, {counted(usage.cached, 'answer')} from the cache"
    ]
    parts.append(counted(usage.prompt_tokens + usage.completion_tokens, "token"))
    if usage.money:
        parts.append(f"{usage.money:.4f} in money")
    return ", ".join(parts)
