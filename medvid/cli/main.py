"""The `medvid` command: one exit code per kind of end, one error style, `--json` everywhere."""

import gc
import os
import sys
from importlib import import_module
from typing import Any, Final

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from schemas.errors import MedVidError

COLLECTOR: Final = (100_000, 20, 20)
"""When to look for cycles: labels and pairs hold none, and by Python's own thresholds looking for
them takes a tenth of a command's time."""

COMMANDS: Final = {
    "demo": "demo:demo",
    "build": "build:build",
    "convert": "convert:convert",
    "verify": "verify:verify",
    "inspect": "inspection:inspect",
    "quarantine": "quarantine:quarantine",
    "why": "why:why",
    "diff": "diff:diff",
    "gc": "gc:gc",
    "evaluate": "evaluate:evaluate",
    "export": "export:export",
    "submission": "submission:app",
    "annotate": "annotate:app",
    "import": "import_:import_",
    "leaderboard": "leaderboard:app",
}
"""Module of this package and name in it, of a function or of a group, by command."""

# Before numpy is imported: our matrix products are small, and threads of BLAS beside other work
# made the sentence encoder six times slower, in processor time too. Who sets it is obeyed.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class Commands(TyperGroup):
    """Imports a command when it is called: some bring libraries that take seconds to import."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - typer's own, passed on
        """Take every command's name, in the order in which help lists them."""
        super().__init__(**attributes)
        self.commands.update({name: TyperCommand(name) for name in COMMANDS})

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | TyperGroup | None:
        """Import one command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        found = getattr(import_module(f"medvid.cli.{module}"), name)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=cmd_name)
        else:
            alone.command(cmd_name)(found)
        command = get_group(alone).commands[cmd_name]
        return command if isinstance(command, TyperCommand | TyperGroup) else None


app = typer.Typer(
    name="medvid",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=(
        "Native medical-video labels in; validated, leak-proof, reproducible WebDataset releases "
        "out. Exit codes: 0 done, 1 failed with a message, 2 wrong usage, 130 interrupted."
    ),
)


@app.callback()
def _commands() -> None:
    """Make `app` a group although none of its commands is registered with it."""


def main() -> None:
    """Run the command line; errors a user can act on end with exit code 1 and no traceback."""
    gc.set_threshold(*COLLECTOR)
    try:
        app()
    except MedVidError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"medvid: {error}", markup=False
        )
        raise SystemExit(1) from error
    except KeyboardInterrupt as error:
        sys.stderr.write(
            "medvid: interrupted; what is finished stays finished, run it again to go on.\n"
        )
        raise SystemExit(130) from error


if __name__ == "__main__":
    main()
