"""Decode at one frame a second: our decoder beside decord and OpenCV, on the same clips.

    python benchmarks/decode.py --seconds 60 --runs 3

Draws its clips (854x480, 25 fps, H.264 with B-frames, a number stamped into every frame), once with
a key frame every 250 frames and once every 25, and has each reader return every 25th frame in a
process of its own, one decoding thread each, runs interleaved. CPU seconds are user and system
time of the process and its children from open to last frame, imports left out; for our decoder
the demux pass is in. Frames are checked by their stamps after the clock has stopped.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from medvid.media import decode_positions
from medvid.media.encode import write_video
from medvid.media.stamp import read_number, stamp_number

RATE = 25
SIZE_WH = (854, 480)
TARGETS = {250: 0.8, 25: 0.6}
"""Key-frame interval to the most CPU time we allow ourselves, as a share of decord's."""

RgbArray = npt.NDArray[np.uint8]


def draw_frames(count: int) -> Iterator[RgbArray]:
    """Draw a panned, textured scene with moving discs, a cut every eight seconds, and noise."""
    width, height = SIZE_WH
    rng = np.random.default_rng(0)
    for number in range(count):
        if number % (8 * RATE) == 0:
            scene = _draw_scene(rng, (width + 400, height + 200))
        x = int(200 + 190 * np.sin(number / 40))
        y = int(100 + 90 * np.cos(number / 55))
        rgb = scene[y : y + height, x : x + width].copy()
        for disc in range(4):
            center = (
                int(width * (0.5 + 0.4 * np.sin(number / (17 + 5 * disc) + disc))),
                int(height * (0.5 + 0.4 * np.cos(number / (23 + 3 * disc) + disc))),
            )
            cv2.circle(rgb, center, 24 + 8 * disc, (200 - 40 * disc, 60 * disc, 90), -1)
        noise = rng.integers(-3, 4, (height, width, 1), dtype=np.int16)
        rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
        stamp_number(rgb, number)
        yield rgb


def _draw_scene(rng: np.random.Generator, size_wh: tuple[int, int]) -> RgbArray:
    layers = [
        cv2.resize(
            rng.random((cells, cells, 3), dtype=np.float32) * weight, size_wh,
            interpolation=cv2.INTER_CUBIC,
        )
        for cells, weight in ((6, 110), (24, 70), (96, 40), (300, 25))
    ]  # fmt: skip
    return np.asarray(np.clip(np.sum(layers, axis=0), 0, 255), dtype=np.uint8)


def read_ours(path: Path, positions: Sequence[int]) -> list[RgbArray]:
    """Read frames with `medvid.media`."""
    return [rgb for _, rgb in decode_positions(path, positions)]


def read_decord(path: Path, positions: Sequence[int]) -> list[RgbArray]:
    """Read frames with decord, 64 at a time, so that memory stays in bounds."""
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    return [
        rgb
        for start in range(0, len(positions), 64)
        for rgb in reader.get_batch(list(positions[start : start + 64])).asnumpy()
    ]


def read_opencv(path: Path, positions: Sequence[int]) -> list[RgbArray]:
    """Read frames with OpenCV: grab all, retrieve the wanted, never seek."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    wanted = set(positions)
    frames: list[RgbArray] = []
    for position in range(positions[-1] + 1):
        capture.grab()
        if position in wanted:
            rgb = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
            frames.append(np.asarray(rgb, dtype=np.uint8))
    return frames


READERS: dict[str, Callable[[Path, Sequence[int]], list[RgbArray]]] = {
    "medvid.media": read_ours,
    "decord": read_decord,
    "OpenCV": read_opencv,
}


def measure(reader: str, path: Path, seconds: int) -> dict[str, float]:
    """Read every 25th frame in this process; CPU seconds and wrong frames."""
    positions = range(0, seconds * RATE, RATE)
    READERS[reader](path, positions[:1])  # imports and page cache
    before = _cpu_s()
    frames = READERS[reader](path, positions)
    cpu_s = _cpu_s() - before
    stamps = [read_number(rgb) for rgb in frames]
    wrong = sum(stamp != position for stamp, position in zip(stamps, positions, strict=False))
    return {"cpu_s": cpu_s, "wrong": wrong + abs(len(positions) - len(frames))}


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def compare(folder: Path, seconds: int, runs: int) -> Iterator[str]:
    """Make the clips, run the readers in turn, and lay the results out as a table."""
    yield f"{'clip':<9}{'reader':<14}{'CPU s':>8}{'min-max':>14}{'wrong':>7}" + (
        f"{'x decord':>10}{'target':>9}"
    )
    for interval, target in TARGETS.items():
        clip = folder / f"gop{interval}.mp4"
        options = {"preset": "medium", "crf": "23", "bf": "3", "g": str(interval)}
        write_video(clip, draw_frames(seconds * RATE), rate=RATE, options=options)
        results: dict[str, list[dict[str, float]]] = {reader: [] for reader in READERS}
        for _ in range(runs):
            for reader in READERS:
                results[reader].append(_measure_apart(reader, clip, seconds))
        peer = statistics.median(run["cpu_s"] for run in results["decord"])
        for reader, found in results.items():
            yield _row(f"GOP {interval}", reader, found, peer, target)


def _measure_apart(reader: str, clip: Path, seconds: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--worker", reader, str(clip), "--seconds", str(seconds)]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    found: dict[str, float] = json.loads(output)
    return found


def _row(
    clip: str, reader: str, found: Sequence[dict[str, float]], peer: float, target: float
) -> str:
    cpu = sorted(run["cpu_s"] for run in found)
    middle = statistics.median(cpu)
    wrong = int(max(run["wrong"] for run in found))
    spread = f"{cpu[0]:.2f}-{cpu[-1]:.2f}"
    aim = f"<= {target}" if reader == "medvid.media" else ""
    return f"{clip:<9}{reader:<14}{middle:>8.2f}{spread:>14}{wrong:>7}" + (
        f"{middle / peer:>10.2f}{aim:>9}"
    )


def main() -> None:
    """Run the comparison, or, as a worker, one measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="length of the clips")
    parser.add_argument("--runs", type=int, default=3, help="runs of each reader on each clip")
    parser.add_argument("--worker", nargs=2, metavar=("READER", "CLIP"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        reader, clip = given.worker
        sys.stdout.write(json.dumps(measure(reader, Path(clip), given.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for line in compare(Path(folder), given.seconds, given.runs):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
