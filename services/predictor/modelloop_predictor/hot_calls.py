"""The requests that are answered below ASGI: to the model a question, to uvicorn the connection's current cycle."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np

from modelloop_core.inference import Float64s
from modelloop_core.wire.predictions import FALLBACK_HEADER
from modelloop_predictor.accounts import CLIENT_GONE, Exchange, new_request_id
from modelloop_predictor.answers import Values
from modelloop_predictor.edge import PREDICT_PATH, problem_answer
from modelloop_predictor.fast_rows import Cells
from modelloop_predictor.heads import Head
from modelloop_predictor.parsing import check_content_type, known_id, parse
from modelloop_predictor.problems import ProblemError
from modelloop_predictor.questions import checked_rows
from modelloop_predictor.translation import problem_of
from modelloop_predictor.v2.contract import Inference
from modelloop_predictor.v2.rest import JSON_TYPE, LENGTH_HEADER, check_infer_type, json_length
from modelloop_predictor.version import LoadedVersion

Headers = Mapping[str, str]
NO_HEADERS: Headers = MappingProxyType({})


class Connection(Protocol):
    """Where a call came in and its answer goes out."""

    entity_key: str

    def finish(self, call: HotCall, body: bytes, headers: Headers) -> None:
        """Send an answer, count it, and let the connection go on."""
        ...


class _Anyone:
    """Stands where uvicorn wakes a coroutine that waits for a body; here nobody does."""

    def set(self) -> None: ...


class _Answered:
    """To uvicorn the current cycle of a connection that has been answered: an idle one holds no request."""

    response_complete = True
    more_body = False
    message_event = _Anyone()


ANSWERED = _Answered()


class HotCall(Exchange):
    """One request on the short way; a subclass for each kind says how its body is read and answered."""

    __slots__ = (
        "body",
        "cells",
        "connection",
        "deadline",
        "disconnected",
        "head",
        "keep_alive",
        "more_body",
        "response_complete",
        "settled",
        "version",
    )
    message_event: ClassVar[_Anyone] = _Anyone()

    def __init__(self, connection: Connection, version: LoadedVersion, head: Head) -> None:
        # Not through Exchange's own: one is made for each request of the quickest way.
        self.request_id = head.request_id or new_request_id()
        self.trace = head.trace
        self.live, self.mirrored = head.live, head.mirrored
        self.method, self.path = "POST", head.path
        self.started = perf_counter()
        self.status = self.count = 0
        self.reason = self.fallback = self.answered_by = self.entity = None
        self.faults = ()
        self.connection = connection
        self.version = version
        self.head = head
        self.body = b""
        self.cells: Cells | None = None
        self.deadline = 0.0
        self.reserved = 0
        self.settled = self.response_complete = self.disconnected = False
        self.more_body = self.keep_alive = True

    @staticmethod
    def takes(fields: Mapping[bytes, bytes]) -> int | None:
        """How many bytes of the body are JSON by its headers (-1: all), or None when ASGI has to look at them."""
        raise NotImplementedError

    def read(self) -> None:
        """Take the body apart; raises ProblemError."""
        raise NotImplementedError

    def rows(self) -> Float64s:
        """Read the body with an eye on each value, to have its rows or to name the field at fault."""
        raise NotImplementedError

    def answer(self, values: Values, headers: Headers = NO_HEADERS, by: LoadedVersion | None = None) -> None:
        """Write the predictions, in the name of another version than the call's where it is `by`."""
        raise NotImplementedError

    def fail(self, error: Exception) -> None:
        """Answer with the version's fallback, or write what went wrong."""
        problem = problem_of(error, self.request_id)
        fallback = self.version.fallback
        if fallback is not None:
            try:
                values = fallback.instead_of(problem, lambda: checked_rows(self))
            except Exception as found:  # noqa: BLE001 an invalid request, or one that cannot even be read: told like any
                problem = problem_of(found, self.request_id)
            else:
                if values is not None:
                    self.fall_back(problem.kind.reason, fallback.answered_by)
                    self.answer(values, {FALLBACK_HEADER: problem.kind.reason}, fallback.version)
                    return
        self.settled = True
        self.refuse(problem)
        body, kind = problem_answer(self.path, problem, self.request_id)
        self.connection.finish(self, body, {**problem.headers, "content-type": kind})

    def leave(self) -> None:
        """The client has closed the connection: nobody is there to answer."""
        self.settled, self.status, self.reason = True, CLIENT_GONE, "ClientGone"


class PredictCall(HotCall):
    """`POST /predict`."""

    __slots__ = ("checked", "many")

    @staticmethod
    def takes(fields: Mapping[bytes, bytes]) -> int | None:
        """All of it, when it is declared as JSON or not at all."""
        try:
            check_content_type(_text(fields.get(b"content-type")), _text(fields.get(b"content-encoding")))
        except ProblemError:
            return None
        return -1

    def read(self) -> None:
        """Take the body apart in one typed pass where that can be; raises ProblemError."""
        self.checked: Float64s | None = None
        quick = self.version.fast.decode(self.body)
        if quick is None:
            self.rows()
            return
        self.cells, self.many, self.count = quick.cells, quick.many, len(quick.cells)
        self.entity = quick.entity
        if quick.request_id is not None:
            self.request_id = quick.request_id

    def rows(self) -> Float64s:
        """The rows, each value looked at; raises ProblemError that names the field."""
        if self.checked is not None:
            return self.checked
        envelope = parse(self.body, self.connection.entity_key)
        self.request_id = envelope.request_id or self.request_id
        self.many, self.entity = envelope.many, envelope.entity
        rows = self.checked = self.version.rows.read(envelope)
        self.cells, self.count = None, len(rows)
        return rows

    def answer(self, values: Values, headers: Headers = NO_HEADERS, by: LoadedVersion | None = None) -> None:
        """Write the predictions as JSON."""
        self.settled, self.status = True, 200
        body = (by or self.version).answers.write(values, many=self.many, request_id=self.request_id)
        self.connection.finish(self, body, headers)


class InferCall(HotCall):
    """`POST /v2/models/NAME/infer`."""

    __slots__ = ("identity", "inference")

    @staticmethod
    def takes(fields: Mapping[bytes, bytes]) -> int | None:
        """What the protocol's own header says, or all of it."""
        try:
            length = json_length(_text(fields.get(LENGTH_HEADER.encode())))
            check_infer_type(_text(fields.get(b"content-type")), _text(fields.get(b"content-encoding")), length)
        except ProblemError:
            return None
        return -1 if length is None else length

    def read(self) -> None:
        """Take the body apart in one typed pass where that can be; raises ProblemError."""
        self.inference: Inference | None = None
        codec = self.version.infer if self.head.json_length < 0 else None
        quick = None if codec is None else codec.read(self.body)
        if quick is None:
            self.rows()
            return
        self.cells, self.count = quick.cells, len(quick.cells)
        if quick.id is not None:
            self.request_id = known_id(quick.id) or self.request_id
        self.identity = self.request_id if quick.id is None else quick.id

    def rows(self) -> Float64s:
        """The rows, each value looked at; raises ProblemError that names the tensor."""
        if self.inference is None:
            length = self.head.json_length
            parsed = self.version.rest.parse(self.body, None if length < 0 else length)
            self.request_id = known_id(parsed.request.id) or self.request_id
            self.inference = self.version.rest.read(parsed)
            self.cells, self.count = None, len(self.inference.rows)
            self.entity = self.inference.entity
        return self.inference.rows

    def answer(self, values: Values, headers: Headers = NO_HEADERS, by: LoadedVersion | None = None) -> None:
        """Write the predictions as tensors."""
        self.settled, self.status = True, 200
        by = by or self.version
        if self.inference is None and by.infer is not None:
            self.connection.finish(self, by.infer.write(values, self.identity), headers)
            return
        self._answer_as_asked(values, headers, by)

    def _answer_as_asked(self, values: Values, headers: Headers, by: LoadedVersion) -> None:
        inference = self.inference
        assert inference is not None  # noqa: S101 what was not read quickly was read this way
        scores = np.array(values, dtype=np.float64)
        body, described = by.rest.write(scores, inference, self.request_id)
        if described["content-type"] != JSON_TYPE:
            headers = {**headers, **described}
        self.connection.finish(self, body, headers)


def calls_of(served_model: str) -> Mapping[bytes, type[HotCall]]:
    """The paths that are answered below ASGI, as they come in, and what answers them."""
    return {PREDICT_PATH.encode(): PredictCall, f"/v2/models/{served_model}/infer".encode(): InferCall}


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
