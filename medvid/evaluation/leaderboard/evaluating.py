"""One evaluation in a process of its own, under limits it sets before it reads anything.

The request stands on the standard input: one line of JSON, then the bytes of the answers. One
line of JSON on the standard output is the reply; where anything else breaks, the process ends
with a trace on its standard error, the server's log, and without a reply. It knows no database
and no token.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from medvid.evaluation.leaderboard.public import PublicResult, public_result, questions_of
from medvid.evaluation.leaderboard.settings import LeaderboardSettings
from medvid.evaluation.rows import SentenceEncoder
from medvid.evaluation.run import (
    EvaluationSettings,
    Judged,
    Matched,
    match_submission,
    score_submission,
    summarise,
)
from medvid.evaluation.submission import parse_submission
from medvid.evaluation.submission_json import JsonLimits
from medvid.evaluation.truth import Truth, load_truth
from schemas.errors import MedVidError, SubmissionError
from schemas.scalars import Model

_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG
_LARGEST_FILE: Final = 2 << 30
Outcome = Literal["scored", "refused", "memory", "broken"]


class Request(Model):
    """What is to be evaluated.

    Attributes:
        settings: The server's settings.
        step: First step, or captions.
        file_name: Name of the answers.
        size: Their bytes.
        time_limit_s: Seconds of processor time.
    """

    settings: LeaderboardSettings
    step: Literal["evaluate", "captions"]
    file_name: str
    size: Annotated[int, Field(ge=0)]
    time_limit_s: float


class Reply(Model):
    """What came of it.

    Attributes:
        outcome: `scored`; `refused`, with a message for the team; `memory`; `broken`, with a
            message for the operator.
        message: Why there is no result.
        result: The scores.
    """

    outcome: Outcome
    message: str = ""
    result: PublicResult | None = None


def evaluate_request(request: Request, content: bytes) -> Reply:
    """Evaluate answers, or say why not; what may hold truth stays in this process."""
    settings = request.settings
    try:
        truth = load_truth(settings.truth, split=settings.split, subset=settings.subset)
        truth.require_answers()
    except MedVidError as error:
        return Reply(outcome="broken", message=str(error))
    try:
        matched = _matched(truth, request, content)
    except SubmissionError as error:
        return Reply(outcome="refused", message=str(error))
    try:
        result = _score(truth, matched, request)
    except MedVidError as error:
        return Reply(outcome="broken", message=str(error))
    return Reply(outcome="scored", result=result)


def _matched(truth: Truth, request: Request, content: bytes) -> Matched:
    limits = JsonLimits(max_bytes=request.settings.max_upload_bytes)
    submission = parse_submission(content, request.file_name, limits)
    return match_submission(questions_of(truth).as_truth, submission)


def _score(truth: Truth, matched: Matched, request: Request) -> PublicResult:
    settings = request.settings
    rules = EvaluationSettings(draws=settings.draws, keep_rows=False)
    judged = None
    if request.step == "captions":
        judged = _judged(truth, matched, settings)
    marks = judged.scores if judged is not None and not judged.semantic else None
    scored = score_submission(truth, matched, rules, encoder=_encoder(), judged=marks)
    return public_result(summarise(truth, scored, rules, judged=judged), settings.min_group_rows)


def _encoder() -> SentenceEncoder | None:
    from medvid.language import encoder

    try:
        return encoder.SentenceEncoder()
    except encoder.EncoderMissingError:
        return None


def _judged(truth: Truth, matched: Matched, settings: LeaderboardSettings) -> Judged:
    from medvid.evaluation.judge import JudgeSettings
    from medvid.evaluation.run_judge import judge_submission
    from medvid.language import CallCache, EndpointError, LanguageClient, LanguageSettings

    endpoint = LanguageSettings.from_environment()
    if settings.captions == "similarity" or (settings.captions == "auto" and endpoint is None):
        return judge_submission(truth, matched, None)[0]
    if endpoint is None:
        raise EndpointError(
            "no judge is set up.", action="Set MEDVID_LLM_BASE_URL and MEDVID_LLM_MODEL."
        )
    rules = JudgeSettings(profile=settings.judge_profile)
    with (
        closing(CallCache(settings.judge_cache)) as calls,
        LanguageClient(endpoint, calls) as client,
    ):
        return judge_submission(truth, matched, client, rules)[0]


def limit_process(memory_bytes: int, time_limit_s: float) -> None:
    """Bound this process's memory, processor time and files; no core is ever written."""
    seconds = int(time_limit_s) + 1
    for kind, soft, hard in (
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        # Linux asks for the hard limit first: were both equal, the signal would tell of no limit.
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_FSIZE, _LARGEST_FILE, _LARGEST_FILE),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))
    if sys.platform == "linux":
        # A worker that is killed takes its evaluation with it; the job is begun anew elsewhere.
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, int(signal.SIGKILL))


def main() -> None:
    """Answer the request on the standard input."""
    reply_to = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, not into the reply
    request = Request.model_validate_json(sys.stdin.buffer.readline())
    limit_process(request.settings.memory_bytes, request.time_limit_s)
    content = sys.stdin.buffer.read(request.size)
    try:
        reply = evaluate_request(request, content)
    except MemoryError:
        reply = Reply(outcome="memory")
    with os.fdopen(reply_to, "w", encoding="utf-8") as out:
        out.write(reply.model_dump_json())


def environment_of(step: str) -> dict[str, str]:
    """Environment of an evaluation: without secrets it has no use for, on one thread."""
    withheld = ("MEDVID_LEADERBOARD_",) if step == "captions" else (
        "MEDVID_LEADERBOARD_", "MEDVID_LLM_",
    )  # fmt: skip
    kept = {k: v for k, v in os.environ.items() if not k.startswith(withheld)}
    threads = dict.fromkeys(
        ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
    )
    return kept | threads


def command() -> list[str]:
    """Command line that starts such a process; nothing secret stands in it."""
    return [sys.executable, "-m", "medvid.evaluation.leaderboard.evaluating"]


def requested(request: Request, content: bytes, folder: Path) -> Path:
    """Write a request where the process will read it."""
    path = folder / "request"
    path.write_bytes(json.dumps(request.model_dump(mode="json")).encode() + b"\n" + content)
    return path


if __name__ == "__main__":
    main()
