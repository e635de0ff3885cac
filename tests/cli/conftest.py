"""A drawn tree, a release of it, and the command line as a person calls it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from medvid.cli.main import app
from medvid.synthetic import write_tree

Medvid = Callable[..., Result]


@pytest.fixture(scope="session")
def medvid() -> Medvid:
    """Run the command line in this process; errors a user can act on are raised."""
    runner = CliRunner()

    def run(*arguments: object) -> Result:
        result = runner.invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CholecT50 miniature with frames, faults planted."""
    root = tmp_path_factory.mktemp("tree") / "cholect50"
    root.mkdir()
    write_tree("cholect50", root, scale=0.0, max_seconds=60)
    return root


@pytest.fixture(scope="session")
def release(tree: Path, medvid: Medvid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the miniature with boxes switched on."""
    output = tmp_path_factory.mktemp("cli") / "release"
    result = medvid(
        "build", "--source", f"cholect50={tree}", "--extra-task", "cholect50:stg",
        "--extra-task", "cholect50:region_caption", "--output", output, "--no-server",
        "--standard-size", 30,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return output
