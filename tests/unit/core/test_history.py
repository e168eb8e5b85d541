"""States are derived from what happened, for each MLModel by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from modelloop_core.history import EventKind, HistoryEvent, Identity, VersionState, deployments, states
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import CorruptHistory
from modelloop_core.versions import Version
from support.memory_store import MemoryStore
from support.versions import NOON, a_version

SHOP = Identity(cluster="east", namespace="shop", name="churn", uid="u1")
BANK = Identity(cluster="east", namespace="bank", name="churn", uid="u2")


def told(*events: str, identity: Identity = SHOP) -> list[HistoryEvent]:
    """Events like "canary 1.1.0", a minute apart."""
    pairs = [event.split() for event in events]
    return [
        HistoryEvent(event=EventKind(kind), version=version, time=NOON + timedelta(minutes=minute), identity=identity)
        for minute, (kind, version) in enumerate(pairs)
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (["registered 1.0.0"], {"1.0.0": "candidate"}),
        (["canary 1.0.0"], {"1.0.0": "canary"}),
        (["registered 1.0.0", "promoted 1.0.0"], {"1.0.0": "production"}),
        (["promoted 1.0.0", "canary 1.1.0", "promoted 1.1.0"], {"1.0.0": "archived", "1.1.0": "production"}),
        (["promoted 1.0.0", "canary 1.1.0", "rolled-back 1.1.0"], {"1.0.0": "production", "1.1.0": "rejected"}),
        (["promoted 1.0.0", "promoted 1.1.0", "rolled-back 1.1.0"], {"1.0.0": "production", "1.1.0": "rejected"}),
        (
            ["promoted 1.0.0", "promoted 1.1.0", "rolled-back 1.1.0", "promoted 1.0.0"],
            {"1.0.0": "production", "1.1.0": "rejected"},
        ),
        (["promoted 1.0.0", "rejected 1.1.0"], {"1.0.0": "production", "1.1.0": "rejected"}),
        (["promoted 1.0.0", "archived 1.0.0"], {"1.0.0": "archived"}),
        (["rejected 1.1.0", "canary 1.1.0", "promoted 1.1.0"], {"1.1.0": "production"}),
        (["promoted 1.0.0", "registered 1.0.0"], {"1.0.0": "production"}),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, list) else "",
)
def test_a_state_follows_from_the_events(events: list[str], expected: dict[str, str]) -> None:
    assert {str(version): state.value for version, state in states(told(*events)).items()} == expected


def test_each_model_sees_its_own_history_and_what_concerns_all() -> None:
    events = told("registered 1.0.0", "registered 1.1.0", identity=Identity())
    events += told("promoted 1.0.0", identity=SHOP) + told("promoted 1.1.0", identity=BANK)
    assert states(events, SHOP)[Version(1, 0, 0)] is VersionState.PRODUCTION
    assert states(events, SHOP)[Version(1, 1, 0)] is VersionState.CANDIDATE
    assert states(events, BANK)[Version(1, 1, 0)] is VersionState.PRODUCTION


def test_a_model_made_anew_under_the_same_name_starts_afresh() -> None:
    events = told("promoted 1.0.0")
    assert states(events, SHOP.model_copy(update={"uid": "u9"})) == {}
    assert states(events, SHOP.model_copy(update={"uid": ""})) == {Version(1, 0, 0): VersionState.PRODUCTION}


def test_a_version_is_deployed_where_it_is_in_production_since_its_promotion() -> None:
    events = told("promoted 1.0.0", "promoted 1.1.0") + told("canary 1.0.0", "promoted 1.0.0", identity=BANK)
    assert deployments(events, Version(1, 0, 0)) == ((BANK, NOON + timedelta(minutes=1)),)
    assert deployments(events, Version(1, 1, 0)) == ((SHOP, NOON + timedelta(minutes=1)),)


def test_history_is_read_in_the_order_of_time_with_all_that_was_recorded() -> None:
    registry = Registry(MemoryStore())
    events = told("registered 1.0.0", "canary 1.0.0", "promoted 1.0.0")
    for event in reversed(events):
        registry.record(event)
    assert list(registry.history()) == events


def test_recording_an_event_again_changes_nothing_and_another_at_the_same_moment_is_kept() -> None:
    registry = Registry(MemoryStore())
    (event,) = told("canary 1.0.0")
    other = event.model_copy(update={"identity": BANK})
    for recorded in (event, event, other):
        registry.record(recorded)
    assert len(registry.history()) == 2


def test_publishing_registers() -> None:
    registry = Registry(MemoryStore())
    registry.publish(*a_version(), reason="drift of age", identity=SHOP)
    (event,) = registry.history()
    assert (event.event, event.version, event.reason) == (EventKind.REGISTERED, "1.0.0", "drift of age")
    assert event.identity == SHOP


def test_an_event_that_is_none_is_named() -> None:
    store = MemoryStore()
    store.create("history/20260301T120000.000000Z-canary-0.json", b'{"event": "sold"}')
    with pytest.raises(CorruptHistory, match=r"'history/20260301T120000\.000000Z-canary-0\.json' is no event"):
        Registry(store).history()


def test_a_newer_writer_may_add_fields() -> None:
    store = MemoryStore()
    (event,) = told("canary 1.0.0")
    store.create(event.key, event.to_json().replace(b"{", b'{"mood": "good",', 1))
    assert Registry(store).history() == (event,)
