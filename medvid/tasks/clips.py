"""Clip planning: from a video's segments to the stretches and frames that questions are about."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Self

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from medvid.tasks.grids import GridRules, fit_grid, grid_points, sample_grid
from medvid.tasks.runs import CODE, FATES, LEGAL, Pieces, Runs, cut_pieces, list_runs
from schemas.annotation import VideoAnnotation
from schemas.clip import Clip
from schemas.hashing import hash_rank
from schemas.scalars import Model, PositiveInt
from schemas.source import SourceSpec
from schemas.timeline import FrameList, IntArray, SegmentKind, TimeBase


def _exact(value: object) -> object:
    """Read `0.1` as one tenth, not as the double nearest to it."""
    return Fraction(str(value)) if isinstance(value, float) else value


Rational = Annotated[
    Fraction, BeforeValidator(_exact), PlainSerializer(str, return_type=str), Field(gt=0)
]
"""A positive exact number; settings may write it `0.1` or `"1/10"`."""

IN_CLIP = "in_clip"
"""Fate of a segment that lies at least partly in a clip."""

FURTHER_RATE = "further_rate"
"""Counts clips of a stretch that a higher rate shows too; these are no candidates of their own."""

KEPT = "kept"
"""Fate of a candidate run that became a clip."""

DUPLICATE = "duplicate"
"""Fate of a candidate run whose extent and rate are those of another one's clip."""


class ClipSettings(Model):
    """How clips are cut. The figures are the ones MedVidBench's own rows show.

    Attributes:
        rates: Sampling rates to choose from, in frames per second.
        min_seconds: Shortest clip, inclusive.
        max_seconds: Longest clip, inclusive.
        min_frames: Fewest sampled frames.
        max_frames: Most sampled frames.
        sparse_min_frames: Fewest sampled frames where the source's time base is sparse.
        max_missing_share: Largest legal share of grid points without a frame.
        max_hole_steps: Most grid points without a frame in a row.
        max_clips_per_video: At most this many clips of one kind of one video, chosen by hash.
        max_rates_per_extent: At how many of the rates that fit it whole a stretch is shown, the
            highest first; more than one gives more pairs where labelled stretches are few.
        seed: Seed of that choice.
    """

    rates: tuple[Rational, ...] = Field(
        default=(
            Fraction(1, 10), Fraction(1, 5), Fraction(1, 4), Fraction(1, 2),
            Fraction(1), Fraction(2), Fraction(3),
        ),
        min_length=1,
    )  # fmt: skip
    min_seconds: Rational = Fraction(17)
    max_seconds: Rational = Fraction(1800)
    min_frames: PositiveInt = 50
    max_frames: PositiveInt = 180
    sparse_min_frames: PositiveInt = 8
    max_missing_share: Annotated[Rational, Field(lt=1)] = Fraction(1, 10)
    max_hole_steps: int = Field(default=3, ge=0)
    max_clips_per_video: PositiveInt = 60
    max_rates_per_extent: PositiveInt = 1
    seed: int = 0

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.min_seconds > self.max_seconds:
            raise ValueError("min_seconds must not exceed max_seconds")
        if max(self.min_frames, self.sparse_min_frames) > self.max_frames:
            raise ValueError("min_frames and sparse_min_frames must not exceed max_frames")
        return self


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """The clips of one video, and what became of everything that is in none.

    Attributes:
        clips: Sorted by start, end, rate; no two with one clip id.
        fate: For every segment of a clip kind, by kind and place in
            `VideoAnnotation.segments`: `in_clip`, or the reason it is in none.
        counts: Candidate runs by fate (`kept`, `duplicate` or a reason); adds up to n (n + 1) / 2
            for the n pieces of each clip kind. Beside them `further_rate`, clips that show a
            candidate's stretch at a lower rate.
    """

    clips: tuple[Clip, ...]
    fate: dict[tuple[SegmentKind, int], str]
    counts: Counter[str]


@dataclass(slots=True)
class _Outcomes:
    """What became of the distinct extents of one kind; parallel arrays of shape (n,).

    `rate` is a place in the planner's rates or -1, `end` and `points` are those of the clip, and
    `cause` is the code that explains why the extent gives no clip or a shorter one, else -1.
    """

    start: IntArray
    end: IntArray
    rate: IntArray
    points: IntArray
    cause: IntArray


@dataclass(frozen=True, slots=True)
class _KindPlan:
    kind: SegmentKind
    pieces: Pieces
    runs: Runs
    outcomes: _Outcomes
    outcome_of_run: IntArray


_Extent = tuple[int, int, int]
"""Start and end of a clip in ticks, and place of its rate in the planner's rates."""


def nominal_frames(annotation: VideoAnnotation) -> FrameList:
    """List the frames a video should have, for builds that look at labels only.

    These are the labelled frames, where the source labels frames; otherwise the grid of the
    nominal frame rate from tick 0 to the stated duration or the last segment's end, whichever
    is later, since stated durations are known to be short.
    """
    base = annotation.video.time_base
    ratio = base.frame_rate / base.tick_rate
    if annotation.labelled_ticks:
        ticks = np.unique(np.asarray(annotation.labelled_ticks, dtype=np.int64))
        doubled = 2 * ticks * ratio.numerator + ratio.denominator
        return FrameList(doubled // (2 * ratio.denominator) + base.first_index, ticks)
    ends = [segment.end for segment in annotation.segments]
    end = max([annotation.video.duration_ticks or 0, *ends])
    count = -(-end * ratio.numerator // ratio.denominator)
    index = np.arange(count, dtype=np.int64) + base.first_index
    ticks, first = np.unique(base.ticks_of_indices(index), return_index=True)
    return FrameList(index[first], ticks)


def plan_clips(
    annotation: VideoAnnotation, spec: SourceSpec, frames: FrameList, settings: ClipSettings
) -> ClipPlan:
    """Cut a video into overlapping clips of many lengths.

    Candidates are all runs of consecutive segments of one clip kind, gaps included, between
    excluded intervals. Of the rates up to the native and the source's own limit, a candidate
    takes the highest whose legal grid covers it whole, else the one that covers most of it; by
    setting, lower rates that cover it whole as well give clips of their own.

    Args:
        annotation: The video's labels.
        spec: Facts about the source.
        frames: The frames that really exist.
        settings: Limits and seed.
    """
    planner = _Planner(annotation, spec, frames, settings)
    kinds = [planner.plan_kind(kind) for kind in spec.clip_kinds]
    owner: dict[_Extent, tuple[SegmentKind, int]] = {}
    for plan in kinds:
        outcomes = plan.outcomes
        for row in np.flatnonzero(outcomes.rate >= 0):
            extent = (int(outcomes.start[row]), int(outcomes.end[row]), int(outcomes.rate[row]))
            owner.setdefault(extent, (plan.kind, int(outcomes.points[row])))
    every = {extent: own for plan in kinds for extent, own in planner.further(plan)} | owner
    chosen = planner.choose(every)
    clips = [planner.make_clip(extent, *every[extent]) for extent in chosen]
    kept = chosen & owner.keys()
    clips.sort(key=lambda clip: (clip.start, clip.end, clip.rate))
    counts: Counter[str] = Counter()
    fate: dict[tuple[SegmentKind, int], str] = {}
    for plan in kinds:
        _count_runs(plan, kept, counts)
        fate |= _fates(plan, kept, clips, annotation)
    spare = len(owner) - len(kept)
    counts[DUPLICATE] -= len(kept) + spare
    counts[KEPT] += len(kept)
    counts[FURTHER_RATE] += len(chosen) - len(kept)
    counts["over_cap"] += spare
    return ClipPlan(tuple(clips), fate, +counts)


class _Planner:
    """What all candidates of one video share."""

    def __init__(
        self,
        annotation: VideoAnnotation,
        spec: SourceSpec,
        frames: FrameList,
        settings: ClipSettings,
    ) -> None:
        base = annotation.video.time_base
        top = min(base.frame_rate, spec.max_rate)
        self.annotation = annotation
        self.frames = frames
        self.settings = settings
        self.rates = sorted({rate for rate in settings.rates if rate <= top}, reverse=True)
        self.steps = [base.tick_rate / rate for rate in self.rates]
        self.rules = _grid_rules(base, settings)

    def plan_kind(self, kind: SegmentKind) -> _KindPlan:
        pieces = cut_pieces(self.annotation, kind)
        runs = list_runs(pieces, self.rules.min_ticks, self.rules.max_ticks)
        legal = np.flatnonzero(runs.code == LEGAL)
        extents = np.column_stack((runs.start[legal], runs.end[legal]))
        distinct, inverse = np.unique(extents, axis=0, return_inverse=True)
        outcome_of_run = np.full(runs.code.size, -1, dtype=np.int64)
        outcome_of_run[legal] = inverse.reshape(-1)
        return _KindPlan(kind, pieces, runs, self._fit(distinct), outcome_of_run)

    def _fit(self, extents: IntArray) -> _Outcomes:
        """Fit the rates to distinct extents of shape (n, 2), sorted by start, then end."""
        size = len(extents)
        outcomes = _Outcomes(
            start=extents[:, 0], end=extents[:, 1].copy(),
            rate=np.full(size, -1, dtype=np.int64), points=np.zeros(size, dtype=np.int64),
            cause=np.full(size, CODE["too_few_frames"], dtype=np.int64),
        )  # fmt: skip
        if not self.rates or not len(self.frames):
            outcomes.cause[:] = CODE["no_frames" if self.rates else "no_rate"]
            return outcomes
        starts, firsts = np.unique(extents[:, 0], return_index=True)
        bounds = np.append(firsts, size)
        for start, first, after in zip(starts, bounds[:-1], bounds[1:], strict=True):
            self._fit_start(int(start), extents[first:after, 1], outcomes, slice(first, after))
        return outcomes

    def _fit_start(self, start: int, ends: IntArray, outcomes: _Outcomes, rows: slice) -> None:
        covered = np.full(ends.size, start, dtype=np.int64)
        explained = np.zeros(ends.size, dtype=np.bool_)
        rate, points = outcomes.rate[rows], outcomes.points[rows]
        cause, end = outcomes.cause[rows], outcomes.end[rows]
        for place, step in enumerate(self.steps):
            enough = grid_points(ends - start, step) >= self.rules.min_frames
            open_ = np.flatnonzero(enough & (covered < ends))
            if not open_.size:
                continue
            fit = fit_grid(self.frames.tick, start, ends[open_], step, self.rules)
            # Rates fall, so a later one wins only by covering more.
            better = fit.legal & (fit.end > covered[open_])
            won = open_[better]
            covered[won] = end[won] = fit.end[better]
            rate[won], points[won] = place, fit.points[better]
            cause[won] = np.where(covered[won] < ends[won], fit.cause[better], -1)
            # The highest rate that frames alone could have made legal says why there is no clip.
            unmet = (rate[open_] < 0) & ~explained[open_]
            telling = unmet & (fit.promising | (fit.cause == CODE["too_many_frames"]))
            cause[open_[telling]] = fit.cause[telling]
            explained[open_[telling & fit.promising]] = True

    def further(self, plan: _KindPlan) -> Iterator[tuple[_Extent, tuple[SegmentKind, int]]]:
        """Yield the lower rates that cover a candidate whole too, as many as the settings allow."""
        outcomes, spare = plan.outcomes, self.settings.max_rates_per_extent - 1
        whole = np.flatnonzero((outcomes.rate >= 0) & (outcomes.cause < 0))
        if not spare:
            return
        for start in np.unique(outcomes.start[whole]).tolist():
            rows = whole[outcomes.start[whole] == start]
            left = np.full(rows.size, spare, dtype=np.int64)
            for place, step in enumerate(self.steps):
                enough = grid_points(outcomes.end[rows] - start, step) >= self.rules.min_frames
                open_ = np.flatnonzero(enough & (left > 0) & (outcomes.rate[rows] < place))
                if not open_.size:
                    continue
                ends = outcomes.end[rows[open_]]
                fit = fit_grid(self.frames.tick, start, ends, step, self.rules)
                found = np.flatnonzero(fit.legal & (fit.end >= ends))
                left[open_[found]] -= 1
                for end, points in zip(ends[found], fit.points[found], strict=True):
                    yield (start, int(end), place), (plan.kind, int(points))

    def choose(self, owner: Mapping[_Extent, tuple[SegmentKind, int]]) -> set[_Extent]:
        """Keep, of each kind, the clips of lowest hash rank.

        One segment more elsewhere reshuffles nothing, and a kind of few long clips (whole trials)
        is not crowded out by a kind of many short ones.
        """
        video = self.annotation.video
        ranked: dict[SegmentKind, list[tuple[int, _Extent]]] = {}
        for extent, (kind, _) in owner.items():
            start, end, place = extent
            rank = hash_rank(
                self.settings.seed, "clip", video.source, video.video_id, start, end,
                str(self.rates[place]),
            )  # fmt: skip
            ranked.setdefault(kind, []).append((rank, extent))
        cap = self.settings.max_clips_per_video
        return {extent for rows in ranked.values() for _, extent in sorted(rows)[:cap]}

    def make_clip(self, extent: _Extent, kind: SegmentKind, points: int) -> Clip:
        start, end, place = extent
        index, tick = sample_grid(self.frames, start, end, self.steps[place], points)
        video, rate = self.annotation.video, self.rates[place]
        return Clip(
            source=video.source, video_id=video.video_id, kind=kind, start=start, end=end,
            rate_num=rate.numerator, rate_den=rate.denominator,
            frame_index=tuple(index.tolist()), frame_tick=tuple(tick.tolist()),
            missing=points - int(tick.size), sparse=video.time_base.sparse,
        )  # fmt: skip


def _grid_rules(base: TimeBase, settings: ClipSettings) -> GridRules:
    shortest, longest = settings.min_seconds * base.tick_rate, settings.max_seconds * base.tick_rate
    return GridRules(
        min_ticks=-(-shortest.numerator // shortest.denominator),
        max_ticks=longest.numerator // longest.denominator,
        min_frames=settings.sparse_min_frames if base.sparse else settings.min_frames,
        max_frames=settings.max_frames,
        max_missing_share=settings.max_missing_share,
        max_hole_steps=settings.max_hole_steps,
    )


def _count_runs(plan: _KindPlan, kept: set[_Extent], counts: Counter[str]) -> None:
    """Count runs by fate; every run with a clip is a duplicate until its clip is taken out."""
    runs, outcomes = plan.runs, plan.outcomes
    for code, number in zip(runs.code.tolist(), runs.count.tolist(), strict=True):
        if code != LEGAL:
            counts[FATES[code]] += number
    of_run = plan.outcome_of_run[plan.runs.code == LEGAL]
    has_clip = outcomes.rate[of_run] >= 0
    counts[DUPLICATE] += int(has_clip.sum())
    for code, number in Counter(outcomes.cause[of_run[~has_clip]].tolist()).items():
        counts[FATES[code]] += number


def _fates(
    plan: _KindPlan, kept: set[_Extent], clips: Iterable[Clip], annotation: VideoAnnotation
) -> dict[tuple[SegmentKind, int], str]:
    pieces, stage = plan.pieces, _stages(plan, kept)
    in_clip = np.zeros(len(pieces), dtype=np.bool_)
    for clip in clips:
        in_clip |= (pieces.start < clip.end) & (pieces.end > clip.start)
    fate = {
        (plan.kind, position): "excluded"
        for position, segment in enumerate(annotation.segments)
        if segment.kind is plan.kind
    }
    best: dict[int, int] = {}
    for position, code, inside in zip(pieces.position.tolist(), stage, in_clip, strict=True):
        best[position] = max(best.get(position, -1), len(FATES) if inside else code)
    for position, code in best.items():
        fate[plan.kind, position] = IN_CLIP if code == len(FATES) else FATES[code]
    return fate


def _stages(plan: _KindPlan, kept: set[_Extent]) -> list[int]:
    """Code of the furthest fate among the runs that hold each piece."""
    runs, outcomes = plan.runs, plan.outcomes
    code, last = runs.code.copy(), runs.last.copy()
    legal = np.flatnonzero(code == LEGAL)
    row = plan.outcome_of_run[legal]
    code[legal] = outcomes.cause[row]
    over_cap = np.asarray(
        [
            rate >= 0 and (start, end, rate) not in kept
            for start, end, rate in zip(
                outcomes.start.tolist(), outcomes.end.tolist(), outcomes.rate.tolist(), strict=True
            )
        ],
        dtype=np.bool_,
    )[row]
    # A clip over the cap answers for the pieces it would have held, not for those cut off it.
    held = np.searchsorted(plan.pieces.start, outcomes.end[row][over_cap]) - 1
    first = np.concatenate((runs.first, runs.first[legal][over_cap]))
    last = np.concatenate((last, np.minimum(last[legal][over_cap], held)))
    code = np.concatenate((code, np.full(held.size, CODE["over_cap"], dtype=np.int64)))
    stage = np.zeros(len(plan.pieces), dtype=np.int64)
    for fate in range(len(FATES)):
        rows = code == fate
        cover = np.zeros(len(plan.pieces) + 1, dtype=np.int64)
        np.add.at(cover, first[rows], 1)
        np.add.at(cover, last[rows] + 1, -1)
        stage[np.cumsum(cover[:-1]) > 0] = fate
    result: list[int] = stage.tolist()
    return result
