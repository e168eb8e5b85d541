"""Takes labels and events: reads what is known, decides on each, and writes all that is new in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection

from modelloop_core.feature_schema import Output
from modelloop_core.wire.feedback import MOST_UNNAMED, Receipt
from modelloop_monitor.checking import References
from modelloop_monitor.outcomes.deciding import Already, Joined, Outcome, Refused, Waits, decide_event, decide_label
from modelloop_monitor.outcomes.items import Item, Model, Posted
from modelloop_monitor.problems import INVALID, ProblemError
from modelloop_monitor.store import outcomes, quality
from modelloop_monitor.store.engine import Store
from modelloop_monitor.store.outcome_schema import LABELS, Ledger
from modelloop_monitor.store.outcomes import LoggedRow

FIRST_WAIT_SECONDS = 2.0


@dataclass(frozen=True)
class Numbered:
    """An item and its place in what was posted."""

    place: int
    item: Item


@dataclass
class _Tally:
    """What became of the items so far."""

    joined: int = 0
    already: int = 0
    unknown: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)

    def count(self, place: int, outcome: Outcome) -> None:
        match outcome:
            case Joined():
                self.joined += 1
            case Already():
                self.already += 1
            case Waits():
                self.unknown.append(place)
            case Refused(reason=reason):
                self.refused[place] = reason

    @property
    def receipt(self) -> Receipt:
        return Receipt(
            joined=self.joined,
            waiting=len(self.unknown),
            already=self.already,
            unknown=tuple(sorted(self.unknown)),
            refused=dict(sorted(self.refused.items())),
        )


class Taker:
    """Takes what is posted; several threads may."""

    def __init__(self, store: Store, references: References, clock_tolerance: float) -> None:
        self._store = store
        self._references = references
        self._clock_tolerance = clock_tolerance

    def take(self, ledger: Ledger, posted: Posted, may: Callable[[str], bool], now: float) -> Receipt:
        """Keep what can be kept, all or none; `may` says of which namespaces. Raises ProblemError, StoreError."""
        if posted.model is None and len(posted.items) > MOST_UNNAMED:
            raise ProblemError(INVALID, f"more than {MOST_UNNAMED} at a time need namespace and name of their model")
        tally = _Tally()
        numbered = [Numbered(place, item) for place, item in enumerate(posted.items)]
        with self._store.writing() as connection:
            for model, items in self._by_model(connection, posted.model, numbered, may, tally).items():
                self._take(connection, ledger, model, items, tally, now)
        return tally.receipt

    def _by_model(
        self,
        connection: Connection,
        model: Model | None,
        items: Sequence[Numbered],
        may: Callable[[str], bool],
        tally: _Tally,
    ) -> dict[Model, list[Numbered]]:
        if model is not None:
            return {model: list(items)}
        owners = outcomes.owners(connection, {one.item.request_id for one in items})
        groups: dict[Model, list[Numbered]] = {}
        for one in items:
            # Those of others are as unknown as those of nobody: an answer must not say that they exist.
            found = [owner for owner in owners.get(one.item.request_id, ()) if may(owner[0])]
            if len(found) == 1:
                groups.setdefault(found[0], []).append(one)
            else:
                tally.refused[one.place] = _unresolved(one.item.request_id, found)
        return groups

    def _take(
        self,
        connection: Connection,
        ledger: Ledger,
        model: Model,
        items: Sequence[Numbered],
        tally: _Tally,
        now: float,
    ) -> None:
        ids = {one.item.request_id for one in items}
        held = outcomes.held(connection, ledger, model, ids)
        logged = outcomes.logged(connection, model, ids)
        outputs = outputs_of(self._references, (row.reference for rows in logged.values() for row in rows))
        rows = []
        for one in items:
            outcome = self._of_another_time(one.item, now) or _decided(ledger, one.item, held, logged, outputs)
            tally.count(one.place, outcome)
            if isinstance(outcome, Joined | Waits):
                held[one.item.key] = _said(ledger, one.item)
                rows.append(_row(ledger, model, one.item, outcome, now))
        outcomes.add(connection, ledger, rows)
        quality.mark(connection, [row for row in rows if row["predicted"] is not None])

    def _of_another_time(self, item: Item, now: float) -> Refused | None:
        if item.at is not None and item.at < 0:
            return Refused("it says to be of before 1970: is its clock or its unit of time right?")
        ahead = 0.0 if item.at is None else item.at - now
        if ahead <= self._clock_tolerance:
            return None
        most = f"more than the {self._clock_tolerance:g} s that clocks may differ"
        return Refused(f"it says to be of {ahead:.0f} s from now, {most}")


def outputs_of(references: References, digests: Iterable[str | None]) -> dict[str, Output]:
    """The outputs of these references, those that the monitor has."""
    found = {digest: references.whole(digest) for digest in set(digests) if digest is not None}
    return {digest: reference.output for digest, reference in found.items() if reference is not None}


def join_columns(ledger: Ledger, prediction: LoggedRow) -> dict[str, Any]:
    """What an entry takes over from its prediction."""
    columns: dict[str, Any] = {
        "version": prediction.version,
        "reference": prediction.reference,
        "entity": prediction.entity,
        "predicted": prediction.at,
        "due": None,
    }
    return {**columns, "prediction": prediction.prediction} if ledger is LABELS else columns


def _decided(
    ledger: Ledger,
    item: Item,
    held: Mapping[tuple[Any, ...], Any],
    logged: Mapping[str, Sequence[LoggedRow]],
    outputs: Mapping[str, Output],
) -> Outcome:
    rows = logged.get(item.request_id, ())
    if ledger is LABELS:
        return decide_label(item, held.get(item.key), rows, outputs)
    return decide_event(item, held.get(item.key), rows)


def _said(ledger: Ledger, item: Item) -> Any:
    return orjson.dumps(item.value).decode() if ledger is LABELS else item.value


def _row(ledger: Ledger, model: Model, item: Item, outcome: Joined | Waits, now: float) -> dict[str, Any]:
    nothing = dict.fromkeys(("version", "reference", "entity", "predicted", *(["prediction"] * (ledger is LABELS))))
    joined = (
        join_columns(ledger, outcome.prediction)
        if isinstance(outcome, Joined)
        else {**nothing, "due": now + FIRST_WAIT_SECONDS}
    )
    return {
        "namespace": model[0],
        "name": model[1],
        "request_id": item.request_id,
        **dict(zip(ledger.distinct, item.distinct, strict=True)),
        ledger.said: _said(ledger, item),
        "told": now if item.at is None else item.at,
        "received": now,
        **joined,
    }


def _unresolved(request_id: str, found: Sequence[Model]) -> str:
    if not found:
        return f"request {request_id!r} is not known; with namespace and name of its model it can wait for it"
    models = ", ".join(sorted("/".join(model) for model in found))
    return f"request {request_id!r} is known of {models}: say namespace and name"
