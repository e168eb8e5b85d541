"""What a predictor answers where its model cannot: declared in `spec.serving.fallback`, carried to the pod as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictBool, StrictInt, StrictStr, model_validator
from pydantic.json_schema import WithJsonSchema

from modelloop_core.versions import EXACT_FORM

_NEITHER = "give constant, rules, both, or a version alone: this fallback could answer nothing"
_ALONE = "alone: without constant and rules"
_BOTH = "a version answers every row that the model could: give it alone, or constant and rules without it"

_PIN_SIGNS = ("", "=", "v")
_PINS = ", ".join(f"'{sign}' + self.serving.fallback.version" for sign in _PIN_SIGNS)
ANOTHER_VERSION_RULE = (
    "!has(self.version) || !has(self.serving.fallback) || !has(self.serving.fallback.version) "
    f"|| !(self.version in [{_PINS}])",
    "serving.fallback.version is the version that is served, and would fail where that one does",
)
"""A rule of the spec, and what is said when it is broken."""

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
    """Answers where the model cannot: the first rule that a row meets, else the constant, else the original error.

    Or another version of the model does, with which the registry and the signature are shared.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        # CEL cannot see a constant, which has no type; where an alternative fails, its errors are the message.
        json_schema_extra={
            "minProperties": 1,
            "allOf": [
                {
                    "anyOf": [
                        {"not": {"required": ["version"]}},
                        {"maxProperties": 1},
                        {"properties": {"version": {"enum": [_ALONE]}}},
                    ]
                }
            ],
        },
    )

    constant: Plain | None = Field(
        default=None, description="The answer for rows that no rule fits: a probability, a value, or a class."
    )
    rules: Annotated[tuple[FallbackRule, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="Answers by feature, in order: the first that a row meets is taken.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )

    version: str | None = Field(
        default=None,
        max_length=63,
        pattern=f"^{EXACT_FORM}$",
        description="Exact version of the same registry, with the same signature, that answers instead; "
        "given alone, without constant and rules.",
    )

    @model_validator(mode="after")
    def _can_answer(self) -> Self:
        declared = self.constant is not None or self.rules is not None
        if self.version is None and not declared:
            raise ValueError(_NEITHER)
        if self.version is not None and declared:
            raise ValueError(_BOTH)
        return self

    def is_version(self, wanted: str | None) -> bool:
        """Whether a spec that wants this version names the fallback's; no more is seen than the API server sees.

        Else there could be specs that were let in and cannot be read. The predictor finds whatever is left.
        """
        return self.version is not None and wanted in [f"{sign}{self.version}" for sign in _PIN_SIGNS]
