"""A card says what a person and the signature said, survives being written, and shows deployments from history."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from modelloop_core.card import CardNotes, InvalidCard, ModelCard
from modelloop_core.feature_schema import BinaryOutput, CategoricalFeature, NumericFeature, Signature
from modelloop_core.history import EventKind, HistoryEvent, Identity
from modelloop_core.versions import Version
from support.versions import NOON

SIGNATURE = Signature(
    inputs=(NumericFeature(name="age", nullable=True), CategoricalFeature(name="city", levels=("oslo", "rome"))),
    output=BinaryOutput(),
)
CARD = ModelCard.of(
    CardNotes(owner="Größe & Co: churn", training_date=date(2026, 2, 1), intended_use="who leaves\nand why"),
    model_id="churn",
    version=Version(1, 2, 0),
    signature=SIGNATURE,
    metrics={"auc": 0.91},
)


def test_a_card_survives_being_written_and_read() -> None:
    assert ModelCard.from_yaml(CARD.to_yaml()) == CARD
    assert ModelCard.from_yaml(CARD.to_yaml().encode()) == CARD


def test_a_card_is_readable_yaml_in_the_order_of_interest() -> None:
    lines = CARD.to_yaml().splitlines()
    assert lines[:3] == ["model_id: churn", "version: 1.2.0", "task: binary"]
    assert "- age (float32, may be null)" in lines
    assert "- city (one of 2 levels)" in lines
    assert "training_date: '2026-02-01'" in lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1, 2]", "mapping of fields, found list"),
        ("model_id: [", "not YAML"),
        ("model_id: churn\nversion: newest\ntask: binary\nfeatures: [a]", "card's version"),
        ("model_id: churn\nversion: 1.0.0\ntask: binary\nfeatures: [a]\nmood: good", "card's mood"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
        ("x: " + "y" * (1 << 20), "at most"),
    ],
    ids=["list", "broken", "version", "unknown field", "python object", "too long"],
)
def test_what_is_no_card_is_refused_by_field(text: str, told: str) -> None:
    with pytest.raises(InvalidCard, match=told):
        ModelCard.from_yaml(text)


def test_notes_of_a_person_cannot_set_what_the_registry_knows() -> None:
    with pytest.raises(InvalidCard, match="version"):
        CardNotes.from_yaml("version: 9.9.9")


@pytest.mark.parametrize("text", ["training_date: 2026-02-01", "training_date: 2026-02-01 10:00:00"])
def test_a_day_may_be_written_as_yaml_likes_it(text: str) -> None:
    assert CardNotes.from_yaml(text).training_date == date(2026, 2, 1)


def test_deployment_is_shown_from_history() -> None:
    shop = Identity(cluster="east", namespace="shop", name="churn", uid="u")
    events = [HistoryEvent(event=EventKind.PROMOTED, version="1.2.0", time=NOON, identity=shop)]
    shown = CARD.shown(events)
    assert shown["deployed_to"] == ["east/shop/churn"]
    assert datetime.fromisoformat(shown["deployment_date"]) == NOON.astimezone(UTC)
    assert CARD.shown([])["deployed_to"] == []
    assert CARD.shown([])["deployment_date"] is None
    assert "deployed_to" not in CARD.to_yaml()
