"""What a command prints: a table or lines for people, or one JSON document."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table


class Output(StrEnum):
    """For whom a command prints."""

    TEXT = "text"
    JSON = "json"


def asked_for(words: Sequence[str]) -> Output:
    """The form that a command line asks for, also when the rest of it cannot be understood."""
    found = re.search(r"(^|\0)((--output[=\0]|-o\0?)json|--json)(\0|$)", "\0".join(words))
    return Output.JSON if found else Output.TEXT


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def print_lines(*lines: str) -> None:
    """Lines of text on standard output, as they are."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table without frames; wide cells wrap on a terminal and stay whole in a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width; a table that folds at 80 columns is no use to grep.
        console = Console(highlight=False, width=10_000)
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
