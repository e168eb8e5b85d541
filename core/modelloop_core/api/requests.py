"""A person's command to the operator, as it stands in an annotation of the MLModel."""

from __future__ import annotations

import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from modelloop_core.api.resource import GROUP
from modelloop_core.api.status import HandledRequest

REQUEST_ANNOTATION = f"{GROUP}/request"
ID_LENGTH = 64


class PersonRequest(BaseModel):
    """What is asked, by whom, under an id that is answered once in `status.handledRequest`.

    `after` is the answer that stood there when this was written: status keeps the last one only, and whoever asked
    before may not have seen it yet.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1, max_length=ID_LENGTH)
    verb: str = Field(min_length=1, max_length=32)
    by: str = ""
    after: HandledRequest | None = None

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
