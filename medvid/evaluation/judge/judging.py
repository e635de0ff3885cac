"""Judging pairs: by a language model, or by meaning alone where none is at hand."""

from collections import Counter
from collections.abc import Callable, Sequence

from medvid.evaluation.judge.consistency import consistency_of, is_checked
from medvid.evaluation.judge.pairs import (
    CaptionPair,
    JudgeReport,
    JudgeSettings,
    PairJudgement,
    Scores,
)
from medvid.evaluation.judge.parsing import NoScoresError, parse_scores
from medvid.evaluation.judge.prompt import (
    PROMPT_VERSION,
    is_cut,
    judge_request,
    plain,
    repair_request,
    without_quote,
)
from medvid.language import LanguageClient, RequestRefusedError
from medvid.language.encoder import NAME, SentenceEncoder
from schemas.errors import SampleError, bounded

Progress = Callable[[int, int], None]
"""Takes how many pairs are done and how many there are; may be called from another thread."""


def judge_pairs(
    pairs: Sequence[CaptionPair],
    client: LanguageClient | None,
    settings: JudgeSettings | None = None,
    progress: Progress | None = None,
    *,
    encoder: SentenceEncoder | None = None,
) -> JudgeReport:
    """Judge each candidate against its reference.

    Without a client the cosine of the sentence encoder stands in, on its own scale of 0 to 1 and
    labelled so. A pair that a model cannot be brought to score is reported as unjudged, with the
    reason; a broken endpoint or a spent budget ends the run, and what was answered until then is
    in the client's cache.

    Args:
        pairs: What to judge; names must be unique.
        client: The model to ask, or None.
        settings: How to judge; the clinical profile by default.
        progress: Told after every pair.
        encoder: The encoder to use without a client; loaded if absent.

    Returns:
        A judgement a pair, in order.

    Raises:
        SampleError: Two pairs have one name.
        BudgetExceededError: The next call would pass the budget.
        EndpointError: The endpoint cannot be used.
        EncoderMissingError: There is no client, and the encoder is not installed.
    """
    chosen = settings or JudgeSettings()
    _check_names(pairs)
    if client is None:
        return _similarities(pairs, chosen, encoder, progress)

    async def judge_one(pair: CaptionPair) -> PairJudgement:
        return await _judge(pair, client, chosen)

    judgements = tuple(client.map(judge_one, pairs, progress))
    return JudgeReport(
        scale="1-5",
        judge=client.model,
        prompt_version=PROMPT_VERSION,
        settings=chosen,
        judgements=judgements,
        consistency=consistency_of(judgements, chosen),
    )


def _check_names(pairs: Sequence[CaptionPair]) -> None:
    counted = Counter(pair.pair_id for pair in pairs)
    twice = sorted(name for name, count in counted.items() if count > 1)
    if twice:
        raise SampleError(
            f"pairs share a name: {bounded(twice)}.", action="Name pairs by row, not by clip."
        )


def _asked(pair: CaptionPair, settings: JudgeSettings) -> PairJudgement | None:
    """The judgement of a pair that is not worth a question, None if it is."""
    if not plain(pair.candidate):
        return _judgement(pair, settings, status="empty", detail="the candidate is empty")
    if not plain(pair.reference):
        return _judgement(
            pair, settings, status="unjudged", reason="empty_reference",
            detail="the reference is empty, so there is nothing to compare with",
        )  # fmt: skip
    return None


def _judgement(pair: CaptionPair, settings: JudgeSettings, **found: object) -> PairJudgement:
    known = {"pair_id": pair.pair_id, "task": pair.task, "source": pair.source}
    return PairJudgement.model_validate({**known, "cut": is_cut(pair, settings), **found})


async def _judge(
    pair: CaptionPair, client: LanguageClient, settings: JudgeSettings
) -> PairJudgement:
    settled = _asked(pair, settings)
    if settled is not None:
        return settled
    try:
        scores, attempts = await _scores(pair, client, settings)
    except NoScoresError as error:
        detail = f"no scores in {settings.attempts} answers; the last: {error}"
        return _judgement(
            pair, settings, status="unjudged", reason="no_scores", detail=detail,
            attempts=settings.attempts,
        )  # fmt: skip
    except RequestRefusedError as error:
        return _judgement(
            pair, settings, status="unjudged", reason="refused", detail=error.problem
        )  # fmt: skip
    further = is_checked(pair.pair_id, settings)
    repeats = [
        await _further(pair, client, settings, repeat=number)
        for number in range(1, settings.repeats)
        if further
    ]
    swapped = further and settings.swap
    return _judgement(
        pair, settings, status="judged", scores=scores, attempts=attempts,
        repeats=tuple(again for again in repeats if again is not None),
        swapped=await _further(pair, client, settings, swapped=True) if swapped else None,
    )  # fmt: skip


async def _further(
    pair: CaptionPair,
    client: LanguageClient,
    settings: JudgeSettings,
    *,
    swapped: bool = False,
    repeat: int = 0,
) -> Scores | None:
    """Scores for the checks; their absence is counted and costs the pair nothing."""
    try:
        scores, _ = await _scores(pair, client, settings, swapped=swapped, repeat=repeat)
    except (NoScoresError, RequestRefusedError):
        return None
    return scores


async def _scores(
    pair: CaptionPair,
    client: LanguageClient,
    settings: JudgeSettings,
    *,
    swapped: bool = False,
    repeat: int = 0,
) -> tuple[Scores, int]:
    """Ask until an answer holds five scores, showing the last one and its fault each time."""
    first = judge_request(pair, settings, swapped=swapped, repeat=repeat)
    request, attempt = first, 1
    while True:
        reply = await client.answer(request)
        try:
            return parse_scores(without_quote(reply.text, pair)), attempt
        except NoScoresError as error:
            if attempt == settings.attempts:
                raise
            request = repair_request(first, reply.text, str(error), attempt, settings)
            attempt += 1


def _similarities(
    pairs: Sequence[CaptionPair],
    settings: JudgeSettings,
    encoder: SentenceEncoder | None,
    progress: Progress | None,
) -> JudgeReport:
    """The leaderboard's stand-in without a key: MiniLM cosine from 0 to 1."""
    settled = {pair.pair_id: _asked(pair, settings) for pair in pairs}
    compared = [pair for pair in pairs if settled[pair.pair_id] is None]
    if compared:
        cosines = (encoder or SentenceEncoder()).similarity(
            [pair.reference for pair in compared], [pair.candidate for pair in compared]
        )
        for pair, cosine in zip(compared, cosines, strict=True):
            settled[pair.pair_id] = _judgement(
                pair, settings, status="similar", similarity=max(0.0, float(cosine)), cut=False
            )
    if progress is not None:
        progress(len(pairs), len(pairs))
    return JudgeReport(
        scale="0-1",
        judge=NAME,
        prompt_version="",
        settings=settings,
        judgements=tuple(found for found in settled.values() if found is not None),
    )
