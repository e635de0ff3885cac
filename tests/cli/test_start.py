"""Commands start without the libraries of other commands."""

import subprocess
import sys

import pytest

SLOW = ("av", "cv2", "gradio", "label_studio_sdk", "pandas", "polars", "prefect", "scipy.optimize")

_RUN = """
import sys
from medvid.cli.main import app
try:
    app(sys.argv[1:])
except SystemExit:
    pass
print("loaded:", *sorted(sys.modules))
"""


@pytest.mark.parametrize("command", [("evaluate", "--help"), ("submission", "check", "--help")])
def test_help_does_not_wait_for_other_commands(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *command], capture_output=True, text=True, check=True
    )
    shown, _, loaded = done.stdout.partition("loaded:")
    assert "--truth" in shown
    assert not set(SLOW) & set(loaded.split())


def test_a_misspelt_command_is_put_right() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "medvid.cli.main", "evalute"], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Did you mean 'evaluate'" in done.stderr
