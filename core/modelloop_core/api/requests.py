"""A person's command to the operator, as it stands in an annotation of the MLModel."""

from __future__ import annotations

import contextlib
import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from modelloop_core.api.resource import GROUP
from modelloop_core.api.status import HandledRequest

REQUEST_ANNOTATION = f"{GROUP}/request"
ID_LENGTH = 64
_ANSWERS_CARRIED = 8


class PersonRequest(BaseModel):
    """What is asked, by whom, under an id that is answered once in `status.handledRequest`.

    `after` are the last answers before this was written, the newest last: status keeps one only, and whoever asked
    before may not have seen theirs yet.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1, max_length=ID_LENGTH)
    verb: str = Field(min_length=1, max_length=32)
    by: str = ""
    after: tuple[HandledRequest, ...] = ()

    def following(self, earlier: str, handled: HandledRequest | None) -> Self:
        """This request with what was answered before it: `earlier` is the annotation that it replaces."""
        answers: tuple[HandledRequest, ...] = ()
        with contextlib.suppress(ValueError):
            answers = self.parse(earlier).after
        if handled is not None and handled not in answers:
            answers = (*answers, handled)
        return self.model_copy(update={"after": answers[-_ANSWERS_CARRIED:]})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the annotation; raises ValueError when it is not such JSON."""
        return cls.model_validate(json.loads(text))


def request_id(text: str) -> str:
    """The id under which an annotation is answered; of one that cannot be read it is its own text."""
    try:
        return PersonRequest.parse(text).id
    except ValueError:
        return text[:ID_LENGTH]
