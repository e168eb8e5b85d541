"""`kubectl mlmodel promote|approve|pause|resume|abort|rollback|retry NAME`: a person's word about a version."""

from __future__ import annotations

from collections.abc import Callable

from modelloop_cli.cluster.verbs import (
    ContextOption,
    NameArgument,
    NamespaceOption,
    TimeoutOption,
    ask_operator,
    connect,
)
from modelloop_cli.options import OutputOption
from modelloop_cli.output import Output

_WHAT = {
    "promote": "Give all traffic to what is tried as soon as its pods are there: without holds, never what failed.",
    "approve": "Let a rollout go on from a step that asks for a person's yes.",
    "pause": "Hold a rollout at its present share; what fails goes even so.",
    "resume": "Let a paused rollout go on.",
    "abort": "Take what is tried back and do not try it again.",
    "rollback": "Take the live version back and serve the one before it; in a rollout the same as abort.",
    "retry": "Let versions that failed here be tried again.",
}


def _command(verb: str, what: str) -> Callable[..., None]:
    def command(
        name: NameArgument,
        namespace: NamespaceOption = None,
        context: ContextOption = None,
        timeout: TimeoutOption = 60,
        output: OutputOption = Output.TEXT,
    ) -> None:
        ask_operator(verb, name, connect(context, namespace), output, timeout)

    command.__name__ = verb
    command.__doc__ = what
    return command


COMMANDS = tuple(_command(verb, what) for verb, what in _WHAT.items())
"""Each asks the operator and shows its answer."""
