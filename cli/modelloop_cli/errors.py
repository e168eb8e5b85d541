"""The one place that turns an error into what a person sees: a sentence, a hint, an exit code, never a traceback."""

from __future__ import annotations

import json
import os
import sys
import traceback

from rich.console import Console
from rich.text import Text
from typer.exceptions import TyperException

from modelloop_cli.output import Output

FAULT = 70
"""Exit code: this program's own fault, which is not to be taken for a finding (1 is also drift, or labels refused)."""

REFUSED = 1
"""Exit code: the command was understood, and cannot or should not be done; wrong use is typer's, 2."""

_DEBUG = "MODELLOOP_DEBUG"


class Refused(Exception):
    """A command cannot be done: what was found, and a hint at what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def report(error: Exception, output: Output) -> int:
    """Write the error to standard error in the asked form and return the exit code."""
    if os.environ.get(_DEBUG):
        traceback.print_exception(error)
    message, hint = describe(error)
    if output is Output.JSON:
        sys.stderr.write(json.dumps({"error": message, "hint": hint, "kind": type(error).__name__}) + "\n")
    else:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(Text("error: ", style="bold red") + Text(message))
        if hint:
            console.print(Text("hint:  ", style="bold") + Text(hint))
    if isinstance(error, TyperException):
        return error.exit_code
    return REFUSED if _is_ours(error) or isinstance(error, (ImportError, OSError)) else FAULT


def describe(error: Exception) -> tuple[str, str]:
    """The sentence and the hint of an error; one that nobody foresaw is named as such."""
    if isinstance(error, TyperException):
        path = getattr(getattr(error, "ctx", None), "command_path", "")
        return " ".join(error.format_message().split()), f"{path} --help lists what it takes" if path else ""
    if _is_ours(error):
        message, _, hint = str(error).partition("; ")
        return (str(error), error.hint) if getattr(error, "hint", "") else (message, hint)  # type: ignore[attr-defined]
    if isinstance(error, ImportError):
        return f"a part of ModelLoop is not installed: {error}", "install it with `pip install 'modelloop[publish]'`"
    if isinstance(error, OSError):
        return str(error), ""
    said = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {said}", f"this is a fault of modelloop; {_DEBUG}=1 shows where"


def _is_ours(error: Exception) -> bool:
    return type(error).__module__.split(".")[0].startswith("modelloop")
