from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelloop_predictor.heads import Head, known_head
from support.fuzz_targets import check_head

HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\nContent-Length:  3\r\ncontent-type: application/json\r\n\r\n"
_LINES = st.sampled_from(
    [
        *(b"host: x", b"content-length: 3", b"Content-Length:\t 03\t", b"content-length:3", b"x-content-length: 5"),
        *(b"x: content-length: 3", b"content-length: +3", b"content-length: 3\n", b" content-length: 3", b"x: \r y"),
        *(b"x:\r\n\tfolded", b"transfer-encoding: chunked", b"upgrade: h2c", b"connection: upgrade", b"x: \xff\x80"),
        *(b"content-length : 3", b"content-length: 3, 3", b"x\n", b"", b"\n", b"x: \r\ncontent-length: 4"),
    ]
)
_ENDS = st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n", b"\r\n"])
_BODIES = st.sampled_from([b"", b"abc", b"abcd", b"\r\n\r\n", b"abc" + HEAD, b"0" * 12])


@st.composite
def _messages(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(_LINES, min_size=1, max_size=4))
    return b"POST /predict HTTP/1.1\r\n" + b"\r\n".join(lines) + draw(_ENDS) + draw(_BODIES)


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A message, and one that differs in a few bytes or not at all."""
    first = draw(_messages())
    start = draw(st.integers(0, len(first)) | st.just(first.find(b"3") % len(first)))
    end = draw(st.integers(start, min(len(first), start + 2)))
    second = (
        first[:start] + draw(st.sampled_from([b"", b"3", b"0", b"-", b"+3", b" ", b"\r\n", b"00000003"])) + first[end:]
    )
    return first, draw(st.sampled_from([first, second]))


@settings(max_examples=250, deadline=None)
@given(pair=_pairs())
def test_a_remembered_head_finds_what_the_parser_finds(pair: tuple[bytes, bytes]) -> None:
    check_head(*pair)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        pytest.param(HEAD + b"abc", b"abc", id="the same"),
        pytest.param(HEAD.replace(b" 3\r", b" 12\r") + b"a" * 12, b"a" * 12, id="more digits"),
        pytest.param(HEAD.replace(b" 3\r", b" 00000003\r") + b"abc", b"abc", id="eight digits"),
        pytest.param(HEAD.replace(b" 3\r", b" 000000003\r") + b"abc", None, id="nine digits"),
        pytest.param(HEAD + b"abcd", None, id="a byte more"),
        pytest.param(HEAD + b"ab", None, id="a byte less"),
        pytest.param(HEAD[:-1], None, id="no end"),
        pytest.param(HEAD.replace(b" 3\r", b" +3\r") + b"abc", None, id="a sign"),
        pytest.param(HEAD.replace(b" 3\r", b" \r") + b"abc", None, id="no digits"),
        pytest.param(HEAD.replace(b" 3\r", " ٣\r".encode()) + b"abc", None, id="digits of another script"),
        pytest.param(HEAD.replace(b"host: x", b"host: y") + b"abc", None, id="another header"),
        pytest.param(b"\r\n" + HEAD + b"abc", None, id="an empty line before"),
    ],
)
def test_only_the_digits_of_a_length_may_differ(data: bytes, body: bytes | None) -> None:
    known = known_head(HEAD + b"abc", Head("/predict", None, None, -1), object)
    assert known is not None
    assert known.body_of(data) == body


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HEAD[:-2], id="without end"),
        pytest.param(HEAD.replace(b"/predict", b"/predict?x"), id="another path"),
        pytest.param(HEAD.replace(b"Content-Length", b"x-length"), id="no length"),
        pytest.param(HEAD.replace(b"host: x", b"host: " + b"x" * 5000), id="long"),
        pytest.param(HEAD.replace(b"host: x", b"content-length: 3"), id="two lengths"),
        pytest.param(HEAD.replace(b" 3\r", b" 3 \r"), id="a space after the length"),
    ],
)
def test_a_head_that_is_not_plain_is_not_remembered(data: bytes) -> None:
    assert known_head(data, Head("/predict", None, None, -1), object) is None
