"""Small vocabulary of API fields: bounded strings, durations, quantities and the rules that go with a type."""

from __future__ import annotations

import re
from datetime import timedelta
from types import NoneType
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_DURATION = r"^([0-9]{1,9}(ms|s|m|h|d))+$"
# An exponent without an end would keep Kubernetes' own parser of quantities busy for ever.
_QUANTITY = (
    r"^([0-9]{1,18}([.][0-9]{0,9})?|[.][0-9]{1,9})"
    r"([eE][-+]?(0?[0-9]|1[0-8])|n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_DELAY = timedelta(days=3650)
_NAME_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_NAME_PART}(\.{_NAME_PART})*"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"

DOMAIN = _SUBDOMAIN
NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
QUALIFIED_NAME = rf"({DOMAIN}/)?{NAME}"
QUALIFIED_KEYS = (
    f"self.all(k, size(k) <= 253 && k.matches(r'^{QUALIFIED_NAME}$'))",
    "a key is a name of at most 63 letters, digits, '-', '_' and '.', perhaps behind a domain and '/'",
)

ObjectName = Annotated[str, Field(min_length=1, max_length=63, pattern=rf"^{_SUBDOMAIN}$")]
ReferenceName = Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^{_SUBDOMAIN}$")]
KeyOfMap = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^\.?[-_A-Za-z0-9][-._A-Za-z0-9]*$")]
QualifiedName = Annotated[str, Field(min_length=1, max_length=317, pattern=rf"^{QUALIFIED_NAME}$")]
LabelValue = Annotated[str, Field(max_length=63, pattern=_LABEL_VALUE)]
NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=rf"^{_NAME_PART}$")]
HostName = Annotated[str, Field(max_length=253, pattern=rf"^{_SUBDOMAIN}$")]
HostPattern = Annotated[str, Field(max_length=253, pattern=rf"^(\*\.)?{_SUBDOMAIN}$")]
Duration = Annotated[str, Field(max_length=32, pattern=_DURATION)]

CLOCK_FORM = "^([0-9]{1,5}(s|m|h))+$"
"""Of durations with a bound: CEL's `duration` knows no days, and no more digits are needed."""
LabelMap = Annotated[dict[str, LabelValue], Field(max_length=32)]
AnnotationMap = Annotated[dict[str, Annotated[str, Field(max_length=256)]], Field(max_length=32)]


def seconds(duration: str) -> float:
    """Seconds of a duration like `1h30m` or `250ms`."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)(ms|s|m|h|d)", duration))


def cel_milliseconds(duration: str) -> str:
    """The CEL expression of a Duration's length: CEL's own `duration` knows no days."""
    # First of all "ms" is out of the way of "m" and "s".
    plain, worth = f"{duration}.replace('ms', 'u')", {"u": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
    parts = (
        f"{plain}.findAll('[0-9]+{u}').map(n, int(n.replace('{u}', '')) * {each}).sum()" for u, each in worth.items()
    )
    return f"({' + '.join(parts)})"


def delay(duration: str) -> timedelta:
    """How long a duration is, ten years at the most: what nobody lives to see must not overflow a date."""
    return timedelta(seconds=min(seconds(duration), LONGEST_DELAY.total_seconds()))


class APIObject(BaseModel):
    """A part of the resource: frozen, and nothing it does not know is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def rules(*pairs: tuple[str, str], **extensions: Any) -> dict[str, Any]:
    """CEL rules of a type, each with the sentence a person gets when it fails."""
    checks = [{"rule": rule, "message": message} for rule, message in pairs]
    return {"x-kubernetes-validations": checks, **extensions}


# By a rule alone: what was stored before there was one is read as ten years (`delay`).
LongDuration = Annotated[
    Duration,
    Field(
        json_schema_extra=rules(
            (
                f"{cel_milliseconds('self')} <= {round(1000 * LONGEST_DELAY.total_seconds())}",
                "it is at most ten years, 3650d",
            )
        )
    ),
]

PORT_RULE = (
    "!isURL(self) || url(self).getPort() == '' || (int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535)",
    "a port is a number from 1 to 65535",
)


def keyed_by(*keys: str) -> dict[str, Any]:
    """A list that the API server merges by these keys, and in which each key stands once."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def bounded_quantity(value: str) -> str:
    """The CEL test that `value` is a Quantity; it stands before `quantity()`, which never ends on 1e999999999."""
    return f"string({value}).matches('{_QUANTITY}')"


def _as_text(amount: Any) -> Any:
    return str(amount) if type(amount) is int else amount


Quantity = Annotated[
    str,
    Field(
        max_length=32,
        pattern=_QUANTITY,
        json_schema_extra=rules(
            (
                bounded_quantity("self"),
                "an amount must not be negative, and is at most 18 digits, 9 more behind a point, and a unit (n, u, m, "
                "k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei) or an exponent up to e18, for example 500m, 1.5Gi or 2e3",
            ),
            **{"x-kubernetes-int-or-string": True},
        ),
    ),
    BeforeValidator(_as_text),
]


def _exactly_one(schema: dict[str, Any], kind: type[BaseModel]) -> None:
    given = ", ".join(f"has(self.{name})" for name in kind.model_fields)
    schema.update(rules((f"[{given}].exists_one(each, each)", f"give exactly one of {_offered(kind)}")))


def _offered(kind: type[BaseModel]) -> str:
    return ", ".join(name for name, field in kind.model_fields.items() if field.annotation is not NoneType)


class OneOf(APIObject):
    """A choice: exactly one of its fields is given."""

    model_config = ConfigDict(json_schema_extra=_exactly_one)

    @model_validator(mode="after")
    def _one_is_given(self) -> Self:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError(f"give exactly one of {_offered(type(self))}")
        return self
