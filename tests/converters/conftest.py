"""Native trees for converter tests: drawn miniatures, tiny pictures, real files where named."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from medvid.synthetic.registry import load_writers

SyntheticTree = Callable[[str, bool], Path]
PngWriter = Callable[[Path, int, int], None]
SECONDS = 40


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`, which is known where this folder is named on the command line."""
    parser.addoption(
        "--update-golden", action="store_true", help="write what converters give as the new truth"
    )


@pytest.fixture(scope="session")
def synthetic_tree(tmp_path_factory: pytest.TempPathFactory) -> SyntheticTree:
    """Smallest native tree of a source with all its planted faults, drawn once a session."""
    drawn: dict[tuple[str, bool], Path] = {}

    def draw(name: str, media: bool) -> Path:
        if (name, media) not in drawn:
            root = tmp_path_factory.mktemp(f"{name}_{'media' if media else 'labels'}")
            load_writers()[name].write(root, scale=0.0, media=media, max_seconds=SECONDS)
            drawn[name, media] = root
        return drawn[name, media]

    return draw


@pytest.fixture(scope="session")
def write_png() -> PngWriter:
    """Write a black grey-scale PNG of a width and height."""

    def write(path: Path, width: int, height: int) -> None:
        def chunk(kind: bytes, body: bytes) -> bytes:
            check = zlib.crc32(kind + body)
            return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress((b"\0" + b"\0" * width) * height))
            + chunk(b"IEND", b"")
        )

    return write


@pytest.fixture(scope="session")
def native() -> Path:
    """Folder of real label files, named by the environment; the test is skipped without it."""
    folder = os.environ.get("MEDVID_NATIVE")
    if not folder:
        pytest.skip("MEDVID_NATIVE names no folder of real label files")
    return Path(folder)
