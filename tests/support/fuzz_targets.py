"""What must hold for any bytes at all, for hypothesis and for the coverage-guided fuzzer; each raises where not."""

from __future__ import annotations

from functools import cache

import httptools
import numpy as np

from modelloop_core.feature_schema import BinaryOutput, CategoricalFeature, NumericFeature, Signature
from modelloop_predictor.fast_rows import FastReader
from modelloop_predictor.heads import Head, known_head
from modelloop_predictor.parsing import parse
from modelloop_predictor.problems import ProblemError
from modelloop_predictor.v2.contract import Contract
from modelloop_predictor.v2.rest import RestCodec
from modelloop_predictor.validation import RowReader

ENTITY_KEY = "user_id"
SIGNATURE = Signature(
    inputs=(
        NumericFeature(name="age", dtype="int64", minimum=0, maximum=120, nullable=True),
        NumericFeature(name="member", dtype="bool"),
        CategoricalFeature(name="region", levels=("north", "3", "18446744073709551616"), open=True, nullable=True),
    ),
    output=BinaryOutput(),
)
NUMBERS = Signature(inputs=(NumericFeature(name="age"), NumericFeature(name="n", dtype="int64")), output=BinaryOutput())
_PATH = "/predict"


class Message:
    """The first request of some bytes, as the server's parser has it."""

    def __init__(self, data: bytes) -> None:
        self.count = 0
        self.complete = False
        self.url = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(data)
            self.bad = False
        except httptools.HttpParserError:
            self.bad = True
        except httptools.HttpParserUpgrade:
            self.bad = True

    def on_message_begin(self) -> None:
        self.count += 1

    def on_url(self, url: bytes) -> None:
        self.url += url if self.count == 1 else b""

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.count == 1:
            self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body if self.count == 1 else b""

    def on_message_complete(self) -> None:
        self.complete = self.complete or self.count == 1

    @property
    def fields(self) -> dict[bytes, bytes]:
        return {name: value for name, value in self.headers if name != b"content-length"}


def check_head(first: bytes, second: bytes) -> bool:
    """A head remembered from `first` finds in `second` what the parser finds; whether it found anything."""
    learned = Message(first)
    names = [name for name, _ in learned.headers]
    if learned.bad or learned.url != _PATH.encode() or len(set(names)) != len(names):
        return False
    if b"content-length" not in names or b"transfer-encoding" in names or b"upgrade" in names:
        return False
    known = known_head(first, Head(_PATH, None, None, -1), object)
    body = None if known is None else known.body_of(second)
    if body is None:
        return False
    parsed = Message(second)
    assert (parsed.bad, parsed.count, parsed.complete) == (False, 1, True), (first, second)
    assert (parsed.url, parsed.body, parsed.fields) == (learned.url, body, learned.fields), (first, second)
    return True


def check_rows(body: bytes) -> bool:
    """What a quick reader takes, the careful one takes with the same rows; whether it took any, of two signatures."""
    taken = [_check_rows(signature, body) for signature in (SIGNATURE, NUMBERS)]
    return any(taken)


def _check_rows(signature: Signature, body: bytes) -> bool:
    try:
        envelope = parse(body, ENTITY_KEY)
        expected = RowReader(signature).read(envelope)
    except ProblemError:
        envelope = None
    for reader in _readers(signature):
        quick = reader.decode(body)
        rows = None if quick is None else reader.matrix([quick.cells])
        if quick is None or rows is None:
            continue
        assert envelope is not None, body
        np.testing.assert_array_equal(rows, expected)
        assert (quick.many, quick.request_id, quick.entity) == (envelope.many, envelope.request_id, envelope.entity)
    return envelope is not None


def check_infer(body: bytes, json_length: int | None) -> bool:
    """An infer request has rows or a problem, never another error; whether it had rows."""
    codec = _codec()
    try:
        codec.read(codec.parse(body, json_length))
    except ProblemError:
        return False
    return True


@cache
def _readers(signature: Signature) -> tuple[FastReader, ...]:
    """The typed pass, and the one that reads numbers without it, which large bodies alone take otherwise."""
    return FastReader(signature, ENTITY_KEY), FastReader(signature, ENTITY_KEY, numbers_from=0)


@cache
def _codec() -> RestCodec:
    return RestCodec(Contract(SIGNATURE, "model", "v1.2.3", ENTITY_KEY))
