"""`card.yaml`: the model card of a version, written for people, made and checked by the registry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from modelloop_core.feature_schema import Feature, NumericFeature, Signature, Task
from modelloop_core.history import HistoryEvent, deployments
from modelloop_core.versions import Version

CARD_NAME = "card.yaml"
_MAX_BYTES = 1 << 20


class InvalidCard(ValueError):
    """The text is no model card; the message names the field."""


class CardNotes(BaseModel):
    """What only a person can say about a model; all optional."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_id: str | None = Field(default=None, min_length=1, max_length=128)
    training_date: date | None = None
    training_data: str | None = Field(default=None, max_length=4000)
    intended_use: str | None = Field(default=None, max_length=4000)
    limitations: str | None = Field(default=None, max_length=4000)
    owner: str | None = Field(default=None, max_length=256)

    @field_validator("training_date", mode="before")
    @classmethod
    def _day_of_a_moment(cls, value: object) -> object:
        return value.date() if isinstance(value, datetime) else value

    @classmethod
    def from_yaml(cls, text: str | bytes) -> Self:
        """Read YAML; raises InvalidCard naming the field that is wrong."""
        found = _load(text)
        if not isinstance(found, dict):
            raise InvalidCard(f"a model card is a mapping of fields, found {type(found).__name__}")
        return cls.from_fields(found)

    @classmethod
    def from_fields(cls, found: dict[str, Any]) -> Self:
        """Read fields by name; raises InvalidCard naming the one that is wrong."""
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidCard(f"the model card's {where}: {first['msg']}") from error


class ModelCard(CardNotes):
    """A version's card. Where and since when it is deployed is not in it: see `shown`."""

    model_id: str = Field(min_length=1, max_length=128)
    version: str
    task: Task
    features: tuple[str, ...] = Field(min_length=1)
    metrics: dict[str, float] = Field(default_factory=dict)

    @field_validator("version")
    @classmethod
    def _semantic(cls, text: str) -> str:
        return str(Version.parse(text))

    @classmethod
    def of(
        cls, notes: CardNotes, *, model_id: str, version: Version, signature: Signature, metrics: dict[str, float]
    ) -> ModelCard:
        """The card of `version`: a person's notes, and what the signature and the metrics say."""
        said = {**notes.model_dump(), "model_id": notes.model_id or model_id}
        features = tuple(_described(feature) for feature in signature.inputs)
        return cls(**said, version=str(version), task=signature.task, features=features, metrics=metrics)

    def to_yaml(self) -> str:
        """The card as it is stored, in the order a person reads it."""
        import yaml  # PyYAML is here only where cards are read or written

        content = self.model_dump(mode="json", exclude_none=True)
        ordered = {name: content[name] for name in _ORDER if name in content}
        return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=100)

    def shown(self, events: Iterable[HistoryEvent]) -> dict[str, Any]:
        """The card's fields, with `deployed_to` and `deployment_date` as the history (`events`) has them."""
        content = self.model_dump(mode="json", exclude_none=True)
        live = deployments(events, Version.parse(self.version))
        since = min((time for _, time in live), default=None)
        content["deployed_to"] = [str(identity) for identity, _ in live]
        content["deployment_date"] = since.astimezone(UTC).isoformat() if since else None
        return {name: content[name] for name in (*_ORDER, "deployed_to", "deployment_date") if name in content}


_ORDER = (
    "model_id",
    "version",
    "task",
    "owner",
    "training_date",
    "training_data",
    "intended_use",
    "limitations",
    "features",
    "metrics",
)


def _described(feature: Feature) -> str:
    details = feature.dtype if isinstance(feature, NumericFeature) else f"one of {len(feature.levels)} levels"
    return f"{feature.name} ({details}{', may be null' if feature.nullable else ''})"


def _load(text: str | bytes) -> object:
    import yaml

    if len(text) > _MAX_BYTES:
        raise InvalidCard(f"a model card has at most {_MAX_BYTES} bytes, found {len(text)}")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise InvalidCard(f"the model card is not YAML: {' '.join(str(error).split())}") from error
