"""What the README shows is what happens."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medvid.cli.main import app
from medvid.synthetic import write_tree

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a release at the place the README names."""
    root = tmp_path_factory.mktemp("readme")
    tree = root / "native"
    tree.mkdir()
    write_tree("cholect50", tree, scale=0.0, max_seconds=60)
    result = CliRunner().invoke(
        app,
        ["build", "--source", f"cholect50={tree}", "--output", str(root / "demo" / "release"),
         "--no-server", "--selfcontained", "--standard-size", "20"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    shards = list((root / "demo" / "release" / "standard-selfcontained").glob("*.tar"))
    shards[0].rename(shards[0].with_name("train-000.tar"))
    return root


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_of_the_readme_runs(
    block: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "->" in printed


def test_commands_and_options_of_the_readme_exist() -> None:
    runner = CliRunner()
    for line in set(re.findall(r"^medvid ([^#\n]+)", TEXT, flags=re.MULTILINE)):
        words = line.split()
        path = words[:1]
        result = runner.invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
        if "Commands:" in result.output:
            path = words[:2]
            result = runner.invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
        assert result.exit_code == 0, line
        options = [word for word in words if word.startswith("--")]
        assert [word for word in options if word not in result.output] == [], line


def test_files_of_the_readme_exist() -> None:
    for path in re.findall(r"\]\((docs/[^)]+)\)", TEXT):
        assert (ROOT / path.partition("#")[0]).is_file(), path
