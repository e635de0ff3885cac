"""Near-duplicate media: planted copies found, false joins, and what both steps cost.

    python benchmarks/duplicates.py --films 200 --workers 2

Draws operations, some sharing a theatre, encodes them with x264, plants one altered copy of each
second film (CRF 18 to 35, crops of up to 5 % a side, 0.5 to 2 times the speed, cuts, other sizes,
black bars, all of it at once), fingerprints everything through the media check, and searches. Then
searches as many random hashes as a build of the official size has.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from medvid.media import FrameHasher, check_media, probe_video
from medvid.splits import DuplicateReport, DuplicateSettings, Fingerprint, find_duplicates
from medvid.synthetic.encoding import write_h264
from medvid.synthetic.footage import Alteration, Film, copy_film, shoot
from schemas.video import MediaKind, MediaRef


@dataclass(frozen=True, slots=True)
class Take:
    """One video of the benchmark.

    Attributes:
        name: Its name.
        film: What it shows.
        change: How it was altered, None for an original.
        kind: Kind of alteration.
        origin: Name of what it was copied from.
    """

    name: str
    film: Film
    change: Alteration | None = None
    kind: str = ""
    origin: str = ""


KINDS = (
    "crf 18", "crf 35", "crop 5 % all", "crop uneven", "speed 0.5-2", "speed 0.5", "speed 2",
    "cut", "resized", "bars", "all at once",
)  # fmt: skip


def draw_change(kind: str, film: Film, rng: np.random.Generator) -> Alteration:
    """Choose an alteration of a kind; what is left of the film always lasts 40 s or more."""
    uneven = tuple(float(share) for share in rng.choice([0, 0.01, 0.02, 0.03, 0.04, 0.05], 4))
    crop = (uneven[0], uneven[1], uneven[2], uneven[3])
    speed = float(np.exp(rng.uniform(np.log(0.5), np.log(2))))
    start_s = float(rng.uniform(0, film.seconds - 42))
    crf = int(rng.integers(18, 36))
    bars = (0.12, 0.0) if rng.random() < 0.5 else (0.0, 0.12)
    match kind:
        case "crf 18" | "crf 35":
            return Alteration(crf=int(kind[4:]))
        case "crop 5 % all":
            return Alteration(crop=(0.05, 0.05, 0.05, 0.05), crf=crf)
        case "crop uneven":
            return Alteration(crop=crop, crf=crf)
        case "speed 0.5" | "speed 2":
            return Alteration(speed=float(kind[6:]), crf=crf)
        case "speed 0.5-2":
            return Alteration(speed=speed, crf=crf)
        case "cut":
            return Alteration(start_s=start_s, crf=crf)
        case "resized":
            return Alteration(size_wh=(128, 96) if rng.random() < 0.5 else (320, 180), crf=crf)
        case "bars":
            return Alteration(bars=bars, crf=crf)
        case _:
            return Alteration(crop, speed, start_s, (160, 120), bars, crf)


def plan_takes(films: int) -> list[Take]:
    """Originals, of which every fourth shares a theatre with another, and a copy of each second.

    Films 4 and 5 of each eight are of one theatre, 6 and 7 of one theatre under a fixed camera;
    2 and 7 begin with 25 s in which nothing moves.
    """
    takes = []
    for number in range(films):
        rng = np.random.default_rng([number, 3])
        place = number % 8
        theatre = number - 1 if place in (5, 7) else number
        film = Film(
            seed=number, theatre=theatre, seconds=float(rng.integers(50, 91)),
            fixed=place in (6, 7), scope=place in (1, 3, 4, 5),
            still_s=25.0 if place in (2, 7) else 0.0,
        )  # fmt: skip
        name = f"drawn/film{number:04d}"
        takes.append(Take(name, film))
        if number % 2 == 0:
            kind = KINDS[number // 2 % len(KINDS)]
            change = draw_change(kind, film, rng)
            takes.append(Take(f"drawn/copy{number:04d}", film, change, kind, name))
    return takes


def fingerprint_take(take: Take, folder: Path) -> tuple[Fingerprint, float, float]:
    """Encode, check and hash one take; CPU seconds of the check with and without hashing."""
    path = folder / f"{take.name.partition('/')[2]}.mp4"
    frames = shoot(take.film) if take.change is None else copy_film(take.film, take.change)
    crf = 23 if take.change is None else take.change.crf
    write_h264(path, frames, rate=Fraction(take.film.rate), crf=crf, preset="veryfast")
    media = MediaRef(kind=MediaKind.VIDEO, path=path.name)
    started = time.process_time()
    verdict = check_media(folder, media)
    plain = time.process_time() - started
    started = time.process_time()
    hasher = FrameHasher()
    check_media(folder, media, hasher)
    found = hasher.finish()
    hashed = time.process_time() - started
    if not verdict.ok:
        raise RuntimeError(f"{path.name}: {verdict.detail}")
    probe = probe_video(path)
    times = (probe.pts - probe.pts[0]) * float(probe.time_base)
    path.unlink()
    return Fingerprint(take.name, times[found.number], found.hashes, found.detail), plain, hashed


def measure_takes(takes: Sequence[Take], workers: int) -> Iterator[str]:
    """Fingerprint and search, and lay out what was found."""
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(workers) as pool:
        done = list(pool.map(fingerprint_take, takes, [Path(name)] * len(takes), chunksize=4))
    prints = [item[0] for item in done]
    seconds = sum(float(item.time_s[-1]) for item in prints)
    plain, hashed = sum(item[1] for item in done), sum(item[2] for item in done)
    yield f"{len(takes)} videos, {seconds:.0f} s; check {1000 * plain / seconds:.2f} ms of CPU a"
    yield f"video second, with fingerprint {1000 * hashed / seconds:.2f} ms"
    started = time.process_time()
    report = find_duplicates(prints, DuplicateSettings())
    yield f"search {time.process_time() - started:.1f} s of CPU, {report.candidates} candidates"
    yield from score(takes, report)


def score(takes: Sequence[Take], report: DuplicateReport) -> Iterator[str]:
    """Recall by kind of alteration, and videos joined to one they have nothing to do with."""
    planted = {frozenset((take.name, take.origin)): take for take in takes if take.origin}
    edges = {frozenset((edge.a, edge.b)): edge for edge in report.edges}
    for kind in KINDS:
        own = [pair for pair, take in planted.items() if take.kind == kind]
        if own:
            hits = sum(pair in edges for pair in own)
            ranks = [edges[pair].rank for pair in own if pair in edges]
            bits = [edges[pair].distance for pair in own if pair in edges]
            yield (
                f"{kind:<14}{hits:>4} of {len(own):<4} bits {np.mean(bits or [0]):5.2f} at most "
                f"{max(bits, default=0):5.2f}, rank {max(ranks, default=0):.3f} at most"
            )
    missed = [takes_of.name for pair, takes_of in planted.items() if pair not in edges]
    found = len(planted) - len(missed)
    yield f"{'all':<14}{found:>4} of {len(planted):<4} {100 * found / max(1, len(planted)):.2f} %"
    false = {pair: edge for pair, edge in edges.items() if pair not in planted}
    joined = {name for pair in false for name in pair}
    yield f"joined falsely {len(joined)} of {len(takes)} videos"
    yield from (f"  missed {name}" for name in missed)
    yield from (f"  false {edge}" for edge in false.values())


def measure_size(videos: int, frames: int) -> Iterator[str]:
    """Search random hashes of the official size, a tenth of the videos in copies."""
    rng = np.random.default_rng(0)
    prints: list[Fingerprint] = []
    time_s = np.arange(frames, dtype=np.float64)
    for number in range(videos):
        hashes = rng.integers(0, 1 << 63, (frames, 16), dtype=np.uint64)
        if number % 10 == 1:
            hashes = prints[-1].hashes ^ (
                np.uint64(1) << rng.integers(0, 63, (frames, 1), np.uint64)
            )
        detail = np.full(frames, 64, dtype=np.uint8)
        prints.append(Fingerprint(f"r/v{number:05d}", time_s, hashes, detail))
    started = time.process_time()
    report = find_duplicates(prints, DuplicateSettings())
    spent = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    yield (
        f"{videos} videos of {frames} frames: {spent:.0f} s of CPU, peak {peak:.2f} GiB, "
        f"{len(report.edges)} of {len(range(1, videos, 10))} copies found"
    )


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=200, help="originals; half get a copy")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--videos", type=int, default=2000, help="videos of random hashes")
    parser.add_argument("--frames", type=int, default=3000, help="frames of each")
    given = parser.parse_args()
    lines: list[Iterator[str]] = []
    if given.films:
        lines.append(measure_takes(plan_takes(given.films), given.workers))
    if given.videos:
        lines.append(measure_size(given.videos, given.frames))
    for group in lines:
        for line in group:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
