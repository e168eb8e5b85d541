"""Puts the program together: commands by name, one output option, one place where errors end."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from modelloop_cli import publish, serve, versions
from modelloop_cli.errors import report
from modelloop_cli.output import Output


class Program(TyperGroup):
    """The commands, run so that whatever one raises becomes a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; wrong use is told by typer itself (2), all else by `report` (1)."""
        try:
            return super().invoke(ctx)
        except _PASSED_ON:
            raise
        # The top of the program, where every error must end as a sentence.
        except Exception as error:
            raise typer.Exit(report(error, ctx.find_root().obj or Output.TEXT)) from error


# Typer's own ways to end: usage errors, exits and aborts.
_PASSED_ON = (TyperException, typer.Exit, typer.Abort)


def build() -> typer.Typer:
    """The program with all its commands."""
    app = typer.Typer(
        cls=Program,
        name="modelloop",
        help="Publish models, see what a registry holds, and run the parts of ModelLoop on this machine.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.command()(publish.publish)
    app.command()(versions.versions)
    app.command()(versions.card)
    app.command()(versions.history)
    app.command()(serve.serve)
    return app


def main() -> None:
    """Entry point of `modelloop`."""
    build()(prog_name="modelloop")


def kubectl_main() -> None:
    """Entry point of `kubectl-mlmodel`, which kubectl runs for `kubectl mlmodel`."""
    build()(prog_name="kubectl mlmodel")


if __name__ == "__main__":
    main()
