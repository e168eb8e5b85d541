"""Errors as services answer them: RFC 9457 problem details, never a traceback. Each service names its own kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelloop_core.wire.predictions import Fault, FieldError


@dataclass(frozen=True)
class Kind:
    """A kind of error: its HTTP status, its one-word reason and its title."""

    status: int
    reason: str
    title: str


@dataclass
class ProblemError(Exception):
    """An error to answer with: its kind, one sentence of detail, the faulty fields, and headers such as Retry-After."""

    kind: Kind
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind.reason}: {self.detail}"

    @property
    def faults(self) -> frozenset[Fault]:
        """The kinds of faults that its fields have."""
        return frozenset(error.fault for error in self.errors if error.fault is not None)

    def body(self, request_id: str) -> dict[str, Any]:
        """The problem details document."""
        document: dict[str, Any] = {
            "type": f"urn:modelloop:problem:{self.kind.reason}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": f"urn:modelloop:request:{request_id}",
            "reason": self.kind.reason,
        }
        if self.errors:
            document["errors"] = [error.model_dump() for error in self.errors]
        return document


def retry_later(kind: Kind, detail: str, seconds: int = 1) -> ProblemError:
    """A problem that passes: with Retry-After in whole seconds."""
    return ProblemError(kind, detail, headers={"retry-after": str(seconds)})
