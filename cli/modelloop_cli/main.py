"""Puts the program together: commands by name, one output option, one place where errors end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from modelloop_cli import captures, drift, erase, feedback, publish, score, serve, versions
from modelloop_cli.cluster import commands, history, verbs, watching
from modelloop_cli.cluster import drift as cluster_drift
from modelloop_cli.errors import report
from modelloop_cli.output import Output, asked_for

Command = Callable[..., None]


class Program(TyperGroup):
    """The commands, run so that whatever one raises, or was not understood, becomes a sentence and an exit code."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        """Read the words before the command; without any, typer prints the help."""
        with _told_in(asked_for(args) if args else None):
            return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Read the command's own words and run it."""
        with _told_in(asked_for(ctx.args)):
            return super().invoke(ctx)


@contextmanager
def _told_in(output: Output | None) -> Iterator[None]:
    """End in `report` what is raised: wrong use is exit code 2, a fault of our own 70, all else 1."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    # The top of the program, where every error must end as a sentence.
    except Exception as error:
        if output is None:
            raise
        raise typer.Exit(report(error, output)) from error


LOCAL: tuple[Command, ...] = (
    publish.publish,
    versions.versions,
    versions.card,
    versions.history,
    serve.serve,
    score.score,
    drift.drift,
    feedback.feedback,
    captures.prune,
    erase.erase,
)
"""What needs no cluster; a command is called as its function is."""

CLUSTER: tuple[Command, ...] = (
    verbs.status,
    watching.watch,
    history.history,
    verbs.refresh,
    *commands.COMMANDS,
    verbs.doctor,
    cluster_drift.drift,
)
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
