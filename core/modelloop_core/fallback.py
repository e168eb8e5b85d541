"""What a predictor answers where its model cannot: declared in `spec.serving.fallback`, carried to the pod as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictBool, StrictInt, StrictStr, model_validator
from pydantic.json_schema import WithJsonSchema

_NEITHER = "give constant, rules, or both: this fallback could answer nothing"

# A structural schema has no type for "a number or a text". Without a type these bounds let only plain values in:
# objects and lists cannot meet theirs.
_PLAIN: dict[str, Any] = {
    "x-kubernetes-preserve-unknown-fields": True,
    "maxLength": 256,
    "minProperties": 1,
    "maxProperties": 0,
    "minItems": 1,
    "maxItems": 0,
}

Plain = Annotated[
    StrictBool | StrictInt | Annotated[FiniteFloat, Field(strict=True)] | Annotated[StrictStr, Field(max_length=256)],
    WithJsonSchema(_PLAIN),
]
"""A number, a flag, or the text of a level or class: which of them fits, only a version's signature knows."""

Operator = Literal["lt", "le", "gt", "ge", "eq", "ne"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FallbackRule(_Value):
    """Answers `prediction` for a row whose `feature` stands in the relation `op` to `value`."""

    feature: str = Field(min_length=1, max_length=128, description="A feature of the version's signature.")
    op: Operator = Field(
        description="How the row's value has to stand to the rule's: lt, le, gt, ge, eq or ne. "
        "Levels and flags know eq and ne alone; null meets no rule."
    )
    value: Plain = Field(description="A value that the feature may have: a number, true or false, or a level.")
    prediction: Plain = Field(description="The answer: a probability, a value, or a class of the version's signature.")


class Fallback(_Value):
    """Answers where the model cannot: the first rule that a row meets, else the constant, else the original error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        # Not a rule in CEL: that cannot see a field without a type.
        json_schema_extra={"minProperties": 1},
    )

    constant: Plain | None = Field(
        default=None, description="The answer for rows that no rule fits: a probability, a value, or a class."
    )
    rules: Annotated[tuple[FallbackRule, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="Answers by feature, in order: the first that a row meets is taken.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )

    @model_validator(mode="after")
    def _can_answer(self) -> Self:
        if self.constant is None and self.rules is None:
            raise ValueError(_NEITHER)
        return self
