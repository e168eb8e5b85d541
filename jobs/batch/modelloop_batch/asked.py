"""What a person or a schedule asks of a run, and whether a run that is there already was asked the same."""

from __future__ import annotations

from dataclasses import dataclass

from modelloop_batch.errors import BatchError, OutputTaken
from modelloop_batch.tables import RESERVED
from modelloop_core.feature_schema import Signature
from modelloop_core.wire.batch import Plan


@dataclass(frozen=True)
class Asked:
    """What a run shall do; `newest` is the column by which only new and changed entities (by the one key) are scored.

    `max_rejects` is the share of rows that may be refused; beyond it the run fails.
    """

    date: str
    keys: tuple[str, ...] = ()
    newest: str | None = None
    shards: int | None = None
    max_rejects: float = 0.01
    threads: int = 1


class WrongRequest(BatchError):
    """What was asked cannot be done by any version."""


def check_asked(asked: Asked, signature: Signature) -> None:
    """Raise WrongRequest for keys that cannot be written, or cannot tell entities apart."""
    for name in asked.keys:
        if name in RESERVED:
            raise WrongRequest(f"the key {name!r} has the name of a column that is written; rename it in the input")
    if len(set(asked.keys)) != len(asked.keys):
        raise WrongRequest(f"a key is named twice in {', '.join(asked.keys)}; name each once")
    if asked.newest is not None and len(asked.keys) != 1:
        raise WrongRequest(
            f"what is new since an earlier run is told by one key and {asked.newest!r}, and there are "
            f"{len(asked.keys)} keys; give the one that names the entity"
        )


def check_same(plan: Plan, asked: Asked, source: str, model: str, where: str) -> None:
    """Raise OutputTaken when the plan that is there is of another run."""
    newest = plan.incremental.column if plan.incremental else None
    theirs = {"input": plan.input, "keys": plan.keys, "incremental column": newest, "model": plan.model}
    ours = {"input": source, "keys": asked.keys, "incremental column": asked.newest, "model": model}
    for what, value in theirs.items():
        if ours[what] != value:
            raise OutputTaken(
                f"{where} belongs to run {plan.run}, whose {what} is {_shown(value)} and not {_shown(ours[what])}; "
                "give another --output, or another --date"
            )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(repr, value)) or "none"
    return "none" if value is None else repr(value)
