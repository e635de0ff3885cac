"""Converters give on drawn native trees, line by line, what the golden files hold.

`pytest tests/converters/test_golden.py --update-golden` writes the files anew. A source whose
golden file has a form of its own brings `test_<name>_golden.py` for it.
"""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from converters.base import Converter
from converters.registry import get_converter, load_converters
from schemas.annotation import VideoAnnotation
from schemas.errors import SourceError
from schemas.video import Recording

GOLDEN = Path(__file__).parents[1] / "golden"
MAX_BYTES = 150_000
SHOWN = 6
NAMES = [
    name
    for name in load_converters()
    if not (Path(__file__).parent / f"test_{name}_golden.py").exists()
]


def _project(annotation: VideoAnnotation) -> dict[str, object]:
    """Keep what a person reads, and the revision, which stands for all the rest."""
    whole = annotation.model_dump(mode="json")
    lists = ("labelled_ticks", "segments", "boxes", "triplets", "issues")
    return {
        "video": whole["video"],
        "counts": {name: len(whole[name]) for name in lists},
        **{name: whole[name][:SHOWN] for name in lists},
        "records_in": whole["records_in"],
        "revision": whole["revision"],
    }


def _line(converter: Converter, recording: Recording) -> bytes:
    try:
        shown = _project(converter.convert(recording))
    except SourceError as error:
        shown = {"error": type(error).__name__, "message": str(error)}
    value = {"video_id": recording.video_id, **shown}
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize("name", NAMES)
def test_output_equals_the_golden_file(
    name: str,
    synthetic_tree: Callable[[str, bool], Path],
    pytestconfig: pytest.Config,
) -> None:
    converter = get_converter(name)
    root = synthetic_tree(name, True)
    lines = [_line(converter, recording) for recording in converter.discover(root)]
    path = GOLDEN / f"{name}.jsonl"
    if pytestconfig.getoption("--update-golden", default=False):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
    expected = path.read_bytes().splitlines()
    assert len(path.read_bytes()) < MAX_BYTES
    assert [orjson.loads(line) for line in lines] == [orjson.loads(line) for line in expected]
    assert lines == expected
