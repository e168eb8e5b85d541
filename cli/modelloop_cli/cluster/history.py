"""`kubectl mlmodel history NAME`: rollouts and how they ended, and the versions that were live."""

from __future__ import annotations

from modelloop_cli.cluster.describe import status_of
from modelloop_cli.cluster.rollout import HEADINGS, clock, past_rows
from modelloop_cli.cluster.verbs import ContextOption, NameArgument, NamespaceOption, connect
from modelloop_cli.options import OutputOption
from modelloop_cli.output import Output, print_json, print_lines, print_table


def history(
    name: NameArgument,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """The last rollouts: the shares that each had, how it ended, why, and who asked; then what was live when."""
    model = connect(context, namespace).model(name)
    found = status_of(model)
    if output is Output.JSON:
        told = found.model_dump(mode="json", by_alias=True, include={"rollout", "pastRollouts", "history"})
        print_json({"name": name, "namespace": model["metadata"]["namespace"], **told})
        return
    rollouts = past_rows(found)
    if rollouts:
        print_lines("rollouts, newest first (times in UTC; ✓ passed, ✗ failed, … undecided, ? no evidence):")
        print_table(HEADINGS, rollouts)
    else:
        print_lines("no version was rolled out beside another one yet")
    if found.history:
        lived = [(one.version, clock(one.from_), clock(one.until), one.reason) for one in reversed(found.history)]
        print_lines("", "versions that were live, newest first:")
        print_table(("VERSION", "FROM", "UNTIL", "WHY"), lived)
