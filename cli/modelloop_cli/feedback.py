"""`modelloop feedback`: the truth about predictions, from a file to the monitor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from modelloop_cli.errors import REFUSED
from modelloop_cli.label_files import check_labels, labels, opened
from modelloop_cli.monitor_client import MonitorCAOption, MonitorClient, NamespaceOption, TokenOption, monitor_url
from modelloop_cli.options import OutputOption
from modelloop_cli.output import Output, print_json, print_lines
from modelloop_core.wire.feedback import FEEDBACK_PATH, MOST_ITEMS, Receipt

_MOST_SHOWN = 10


def feedback(
    file: Annotated[str, typer.Argument(help="Parquet, CSV or JSON lines (.jsonl), here or as s3://bucket/key.")],
    monitor: Annotated[
        str, typer.Option(envvar="MODELLOOP_MONITOR_URL", callback=monitor_url, help="The monitor's address.")
    ],
    name: Annotated[str, typer.Option(help="The MLModel's name.")],
    namespace: NamespaceOption = "default",
    token: TokenOption = None,
    ca_file: MonitorCAOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Tell the monitor the labels of a file: request_id, label, and where wanted row and at; other columns are left.

    The same again changes nothing. Exit code 1 when the monitor refused any row.
    """
    client = MonitorClient(monitor, token=token, ca_file=ca_file)
    with opened(file) as found:
        # All of it first: a file with a fault in its last line is not half told.
        rows = check_labels(found)
        total = _Total()
        for start, batch in labels(found, MOST_ITEMS):
            document = {"namespace": namespace, "name": name, "feedback": batch}
            total.add(start, Receipt.model_validate_json(client.post(FEEDBACK_PATH, document)))
    if output is Output.JSON:
        print_json({"rows": rows, **total.document})
    else:
        print_lines(*total.lines(rows, f"{namespace}/{name}"))
    if total.refused:
        raise typer.Exit(REFUSED)


class _Total:
    """What became of all rows so far; `refused` is by row of the file, the first being 1."""

    def __init__(self) -> None:
        self._counts = {"joined": 0, "waiting": 0, "already": 0}
        self.refused: dict[int, str] = {}

    def add(self, start: int, receipt: Receipt) -> None:
        """Count a batch whose first row has `start` before it."""
        for word in self._counts:
            self._counts[word] += getattr(receipt, word)
        self.refused |= {start + index + 1: reason for index, reason in receipt.refused.items()}

    @property
    def document(self) -> Mapping[str, Any]:
        """For programs."""
        return {**self._counts, "refused": {str(row): reason for row, reason in self.refused.items()}}

    def lines(self, rows: int, model: str) -> list[str]:
        """For people."""
        shown = [f"  row {row}: {reason}" for row, reason in list(self.refused.items())[:_MOST_SHOWN]]
        more = len(self.refused) - len(shown)
        return [
            f"told {model} of {rows} labels: {self._counts['joined']} joined their predictions, "
            f"{self._counts['already']} were known already, {self._counts['waiting']} wait for theirs",
            *([f"refused {len(self.refused)}:"] if shown else []),
            *shown,
            *([f"  and {more} more"] if more else []),
        ]
