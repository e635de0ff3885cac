"""`medvid evaluate`: score a submission as the leaderboard does, and fairly, in seconds."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medvid.cli.evaluation_tables import print_comparison, print_result
from medvid.cli.output import console, make_folder, write_document
from medvid.evaluation.rows import Profile, SentenceEncoder
from medvid.evaluation.run import (
    EvaluationSettings,
    Judged,
    Matched,
    Scored,
    compare_submissions,
    match_submission,
    score_submission,
    summarise,
)
from medvid.evaluation.run_result import CompareResult, EvaluationResult
from medvid.evaluation.submission import load_submission
from medvid.evaluation.truth import Truth, load_truth
from schemas.errors import ConfigError
from schemas.hashing import canonical_json

if TYPE_CHECKING:
    from medvid.cli.judging import Judging
    from medvid.evaluation.judge import AgreementReport, JudgeReport

# What talks to a language model and what draws pictures take seconds to import and are asked for
# by few options, so they are imported where they are used.

RESULT_NAME = "evaluation.json"
JUDGEMENTS_NAME = "judgements.jsonl"
_PROFILES: dict[str, tuple[Profile, ...]] = {
    "official": ("official",), "strict": ("strict",), "both": ("official", "strict"),
}  # fmt: skip


PredictionsArgument = Annotated[Path, typer.Argument(help="File of answers.")]
TruthOption = Annotated[
    Path, typer.Option("--truth", help="Folder of a release, or an official json with answers.")
]
SplitOption = Annotated[str, typer.Option(help="Split of a release.")]
ProfileOption = Annotated[
    Literal["official", "strict", "both"], typer.Option(help="Which rules to score by.")
]
JudgeOption = Annotated[
    bool,
    typer.Option(
        "--judge",
        help="Have captions judged by the model MEDVID_LLM_BASE_URL names; without "
        "one, as --similarity.",
    ),
]
SimilarityOption = Annotated[
    bool,
    typer.Option("--similarity", help="Compare captions by meaning alone, on its own scale."),
]
JudgeProfileOption = Annotated[
    Literal["clinical", "official"], typer.Option(help="Wording of the judge.")
]
JudgeRepeatsOption = Annotated[
    int, typer.Option(min=1, max=10, help="How often a checked pair is judged.")
]
JudgeSwapOption = Annotated[
    bool, typer.Option("--judge-swap", help="Judge checked pairs with roles exchanged, too.")
]
JudgeCheckShareOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the pairs that are checked.")
]
RatingsOption = Annotated[
    Path | None,
    typer.Option(help="Human ratings of caption pairs (CSV or JSON lines) to agree with."),
]
CacheOption = Annotated[
    Path, typer.Option(help="Folder in which the judge's paid answers are kept.")
]
CompareOption = Annotated[
    Path | None, typer.Option(help="Another file of answers, tested against this one.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder for evaluation.json and .html.")
]
DrawsOption = Annotated[
    int, typer.Option(min=0, max=100_000, help="Resamplings behind each interval.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of the resamplings.")]
AsUploadedOption = Annotated[
    bool,
    typer.Option("--as-uploaded", help="Match by place even where the order is plainly lost."),
]
AsJsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def evaluate(
    predictions: PredictionsArgument,
    truth: TruthOption,
    split: SplitOption = "test",
    profile: ProfileOption = "both",
    judge: JudgeOption = False,
    similarity: SimilarityOption = False,
    judge_profile: JudgeProfileOption = "official",
    judge_repeats: JudgeRepeatsOption = 1,
    judge_swap: JudgeSwapOption = False,
    judge_check_share: JudgeCheckShareOption = 1.0,
    ratings: RatingsOption = None,
    cache: CacheOption = Path("judge-cache"),
    compare: CompareOption = None,
    output: OutputOption = None,
    draws: DrawsOption = 1000,
    seed: SeedOption = 0,
    as_uploaded: AsUploadedOption = False,
    as_json: AsJsonOption = False,
) -> None:
    """Score answers against a truth: the leaderboard's ten columns, strict ones beside them."""
    settings = EvaluationSettings(
        profiles=_PROFILES[profile], draws=draws, seed=seed, as_uploaded=as_uploaded
    )
    asked = _Captions(
        wanted=judge or similarity, similarity=similarity, wording=judge_profile,
        repeats=judge_repeats, swap=judge_swap, check_share=judge_check_share, seed=seed,
        ratings=ratings, cache=cache,
    )  # fmt: skip
    found = _evaluate(predictions, load_truth(truth, split=split), settings, asked, compare)
    page = _write(output, found) if output is not None else None
    if as_json:
        sys.stdout.write(_document(found, rows=output is None).decode() + "\n")
    else:
        _print(found, page)


@dataclass(frozen=True, slots=True)
class _Captions:
    """What is asked about captions, and of whom."""

    wanted: bool
    similarity: bool
    wording: Literal["clinical", "official"]
    repeats: int
    swap: bool
    check_share: float
    seed: int
    ratings: Path | None
    cache: Path

    def judging(self) -> "Judging | None":
        """Set the judge up, or say which option is of no use without one.

        Raises:
            ConfigError: Ratings are given and no captions are to be scored.
        """
        if not self.wanted:
            if self.ratings is None:
                return None
            raise ConfigError(
                "ratings are compared with scores of captions, and none are asked for.",
                action="Add `--judge` or `--similarity`.",
            )
        from medvid.cli.judging import Judging
        from medvid.evaluation.judge import JudgeSettings

        settings = JudgeSettings(
            profile=self.wording, repeats=self.repeats, swap=self.swap,
            check_share=self.check_share, seed=self.seed,
        )  # fmt: skip
        return Judging(settings, self.cache, self.ratings, similarity=self.similarity)


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything one run found."""

    truth: Truth
    matched: Matched
    result: EvaluationResult
    compared: CompareResult | None
    report: "JudgeReport | None"
    agreement: "AgreementReport | None"


def _evaluate(
    predictions: Path,
    truth: Truth,
    settings: EvaluationSettings,
    captions: _Captions,
    compare: Path | None,
) -> _Found:
    truth.require_answers()
    files = [predictions] if compare is None else [predictions, compare]
    matched = [
        match_submission(truth, load_submission(path), as_uploaded=settings.as_uploaded)
        for path in files
    ]
    judging = captions.judging()
    judged = [judging.judge(truth, one) if judging else None for one in matched]
    encoder = _encoder()
    scored = [
        _score(truth, one, settings, encoder, found[0] if found else None)
        for one, found in zip(matched, judged, strict=True)
    ]
    report = judged[0][1] if judged[0] else None
    return _Found(
        truth,
        matched[0],
        summarise(truth, scored[0], settings, judged=judged[0][0] if judged[0] else None),
        compare_submissions(truth, scored[1], scored[0], settings) if compare else None,
        report,
        judging.agreement(report) if judging and report else None,
    )


def _encoder() -> SentenceEncoder | None:
    """The encoder where it is installed; without it official NAP may have no value, and says so."""
    from medvid.language import encoder

    try:
        return encoder.SentenceEncoder()
    except encoder.EncoderMissingError:
        return None


def _score(
    truth: Truth,
    matched: Matched,
    settings: EvaluationSettings,
    encoder: SentenceEncoder | None,
    judged: Judged | None,
) -> Scored:
    marks = judged.scores if judged is not None and not judged.semantic else None
    return score_submission(truth, matched, settings, encoder=encoder, judged=marks)


def _write(output: Path, found: _Found) -> Path:
    from medvid.evaluation.report import write_report

    make_folder(output)
    page = write_report(output, found.truth, found.matched, found.result, found.compared)
    write_document(output / RESULT_NAME, _document(found))
    if found.report is not None:
        from medvid.cli.judging import judgement_lines

        lines = judgement_lines(found.truth, found.matched, found.report)
        write_document(output / JUDGEMENTS_NAME, lines)
    return page


def _document(found: _Found, *, rows: bool = True) -> bytes:
    facts = found.result.model_dump(mode="json")
    if not rows:
        for profile in facts["profiles"].values():
            profile["rows"] = []
    facts["compared"] = found.compared.model_dump(mode="json") if found.compared else None
    facts["judging"] = None
    if found.report is not None:
        from medvid.cli.judging import judge_facts

        facts["judging"] = judge_facts(found.report, found.agreement)
    return canonical_json(facts)


def _print(found: _Found, page: Path | None) -> None:
    print_result(found.result)
    if found.report is not None:
        from medvid.cli.judging import print_judge

        print_judge(found.report, found.agreement)
    if found.compared is not None:
        print_comparison(found.compared)
    if page is not None:
        console.print(f"\nreport      {page}", markup=False, soft_wrap=True)
