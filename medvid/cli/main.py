"""The `medvid` command: one exit code per kind of end, one error style, `--json` everywhere."""

import sys

import typer
from rich.console import Console

from medvid.cli import (
    annotate,
    build,
    convert,
    demo,
    diff,
    evaluate,
    export,
    gc,
    import_,
    inspection,
    leaderboard,
    quarantine,
    submission,
    verify,
    why,
)
from schemas.errors import MedVidError

app = typer.Typer(
    name="medvid",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=(
        "Native medical-video labels in; validated, leak-proof, reproducible WebDataset releases "
        "out. Exit codes: 0 done, 1 failed with a message, 2 wrong usage, 130 interrupted."
    ),
)
for command in (
    demo.demo, build.build, convert.convert, verify.verify, inspection.inspect,
    quarantine.quarantine, why.why, diff.diff, gc.gc, evaluate.evaluate, export.export,
):  # fmt: skip
    app.command()(command)
app.add_typer(submission.app, name="submission")
app.add_typer(annotate.app, name="annotate")
app.command("import")(import_.import_)
app.add_typer(leaderboard.app, name="leaderboard")


def main() -> None:
    """Run the command line; errors a user can act on end with exit code 1 and no traceback."""
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
