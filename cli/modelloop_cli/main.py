"""Puts the program together: commands by name, one output option, one place where errors end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from modelloop_cli import publish, serve, versions
from modelloop_cli.cluster import verbs
from modelloop_cli.errors import report
from modelloop_cli.output import Output

Command = Callable[..., None]


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


LOCAL: tuple[Command, ...] = (publish.publish, versions.versions, versions.card, versions.history, serve.serve)
"""What needs no cluster; a command is called as its function is."""

CLUSTER: tuple[Command, ...] = (verbs.status, verbs.refresh, verbs.retry, verbs.doctor)
"""What speaks of an MLModel in a cluster."""


def build(commands: Iterable[Command]) -> typer.Typer:
    """The program with these commands; of two with one name the later one is taken."""
    app = typer.Typer(
        cls=Program,
        help="Publish models, see what a registry holds, and run the parts of ModelLoop on this machine.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    for command in {command.__name__: command for command in commands}.values():
        app.command()(command)
    return app


def main() -> None:
    """Entry point of `modelloop`."""
    build((*CLUSTER, *LOCAL))(prog_name="modelloop")


def kubectl_main() -> None:
    """Entry point of `kubectl-mlmodel`, which kubectl runs for `kubectl mlmodel`: `history` is that of an MLModel."""
    build((*LOCAL, *CLUSTER))(prog_name="kubectl mlmodel")


if __name__ == "__main__":
    main()
