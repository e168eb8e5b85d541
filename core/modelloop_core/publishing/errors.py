"""Why a model was not published."""

from __future__ import annotations


class PublishError(Exception):
    """The model, the reference or the schema cannot become a version; `hint` says what to do. Nothing was written."""

    retriable = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
