"""Writes a folder that runs as a Hugging Face Space: the same app, its settings as variables."""

from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Final

from medvid.shards.aside import write_whole
from schemas.errors import ConfigError

FILES: Final = ("README.md", "app.py", "requirements.txt")

_APP: Final = '''"""The leaderboard as a Space; settings are its variables and secrets."""

from medvid.evaluation.leaderboard.space import serve_space

if __name__ == "__main__":
    serve_space()
'''


_REQUIREMENTS: Final = "medvidbench[leaderboard,postgres,encoder]=={version}\n"
_PORT: Final = 7860
_STORAGE: Final = Path("/data")


def write_space(folder: Path, title: str) -> tuple[Path, ...]:
    """Write the files of a Space.

    Args:
        folder: Where; files of the same names must not be there.
        title: Title of the Space.

    Raises:
        ConfigError: The folder holds one of the files, or the title is none.
    """
    clean = " ".join(title.split()).replace('"', "'")
    if not clean or not clean.isprintable() or clean[0] in "-?:#&*!|>%@`[]{},'":
        raise ConfigError("the title cannot stand in a Space's front matter.", field="title")
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        raise ConfigError(
            f"{', '.join(there)} are there already.", source=folder.name,
            action="Choose an empty folder.",
        )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    readme = files(__package__).joinpath("templates/space.md").read_text(encoding="utf-8")
    content = {
        "README.md": readme.replace("{title}", clean).replace("{gradio}", version("gradio")),
        "app.py": _APP,
        "requirements.txt": _REQUIREMENTS.format(version=_own_version()),
    }
    for name, text in content.items():
        write_whole(folder / name, text.encode())
    return tuple(folder / name for name in FILES)


def serve_space() -> None:
    """Serve with the environment's settings, where a Space expects it."""
    import os

    from medvid.evaluation.leaderboard.serving import serve
    from medvid.evaluation.leaderboard.settings import PREFIX, LeaderboardSettings

    storage = _STORAGE if _STORAGE.is_dir() else Path.cwd()
    usual = {
        "HOST": "0.0.0.0",  # a Space's container is reached from its proxy alone
        "PORT": str(_PORT), "DATABASE": f"sqlite:///{storage}/leaderboard.sqlite",
        "JUDGE_CACHE": str(storage / "judge-cache"), "TRUSTED_PROXIES": "1",
    }  # fmt: skip
    given = {f"{PREFIX}{name}": value for name, value in usual.items()} | dict(os.environ)
    serve(LeaderboardSettings.from_environment(given), lambda _: None)


def _own_version() -> str:
    try:
        return version("medvidbench")
    except PackageNotFoundError as error:
        raise ConfigError("medvidbench is not installed.", action="Install it.") from error
