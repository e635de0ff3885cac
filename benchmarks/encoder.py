"""Speed of the sentence encoder on one core, beside the reference implementation.

    python benchmarks/encoder.py [--peer-python PYTHON] [--repeats 3] [--json]

Captions of 5 to 60 words, each encoded once; loading is not counted. Every figure comes from a
process of its own with one thread, and the median is printed. `PYTHON` names an interpreter that
has `sentence-transformers` and torch, which do not go into the project's own environment; with it
the largest difference of any component is printed too.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TEXTS = 400
PROSE = (
    "the grasper hook clipper scissors irrigator forceps knife retracts dissects cuts coagulates "
    "lifts injects gallbladder liver cystic duct artery mucosa submucosa vessel gently towards "
    "left while surgeon nurse disinfects skin before penicillin test and then bandages wound"
)

OURS = """
import json, sys, time
import numpy
from medvid.language.encoder import SentenceEncoder

encoder, texts = SentenceEncoder(), json.load(open(sys.argv[1]))
start = time.process_time()
vectors = encoder.encode(texts)
seconds = time.process_time() - start
numpy.save(sys.argv[2], vectors)
sys.stdout.write(str(seconds))
"""

PEER = """
import json, sys, time
import numpy, torch
from sentence_transformers import SentenceTransformer

torch.set_num_threads(1)
model, texts = SentenceTransformer(sys.argv[3], device="cpu"), json.load(open(sys.argv[1]))
start = time.process_time()
vectors = model.encode(texts, batch_size=32, show_progress_bar=False)
seconds = time.process_time() - start
numpy.save(sys.argv[2], vectors)
sys.stdout.write(str(seconds))
"""


def captions() -> list[str]:
    """Distinct made-up captions."""
    source, words = random.Random(7), PROSE.split()
    return [
        f"{number} " + " ".join(source.choices(words, k=source.randint(5, 60)))
        for number in range(TEXTS)
    ]


def seconds_of(python: str, script: str, *arguments: str) -> float:
    """CPU seconds of one run in a process of its own."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    ran = subprocess.run(
        [python, "-c", script, *arguments],
        env={**os.environ, **threads, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path.cwd())},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(ran.stdout.strip())


def measure(peer: str | None, repeats: int) -> dict[str, Any]:
    """Median rates, and how far the vectors are apart."""
    import numpy as np

    from medvid.language.encoder import model_folder

    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.json"
        texts.write_text(json.dumps(captions()), encoding="utf-8")
        ours, theirs = f"{folder}/ours.npy", f"{folder}/theirs.npy"
        runs: dict[str, list[float]] = {"ours": [], "peer": []}
        for _ in range(repeats):
            runs["ours"].append(seconds_of(sys.executable, OURS, str(texts), ours))
            if peer:
                runs["peer"].append(seconds_of(peer, PEER, str(texts), theirs, str(model_folder())))
        found: dict[str, Any] = {
            f"{name}_texts_per_cpu_second": round(TEXTS / statistics.median(times), 1)
            for name, times in runs.items()
            if times
        }
        if peer:
            found["largest_difference"] = float(np.abs(np.load(ours) - np.load(theirs)).max())
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.peer_python, arguments.repeats)
    shown = (
        json.dumps(found) if arguments.json else "\n".join(f"{k}: {v}" for k, v in found.items())
    )
    sys.stdout.write(shown + "\n")


if __name__ == "__main__":
    main()
