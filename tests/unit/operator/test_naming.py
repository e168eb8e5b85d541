"""Names and labels of children: valid for every version, and one for each."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelloop_core.versions import InvalidVersion, Version
from modelloop_operator.naming import selector, versioned_name

NUMBERS = st.integers(min_value=0, max_value=999_999_999)
TAILS = st.one_of(st.none(), st.text("0123456789abcXYZ-.", min_size=1, max_size=60))
MODELS = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
NAME = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
LABEL = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")


@st.composite
def versions(draw: st.DrawFn) -> Version:
    tail = draw(TAILS)
    core = f"{draw(NUMBERS)}.{draw(NUMBERS)}.{draw(NUMBERS)}"
    try:
        return Version.parse(f"{core}-{tail}" if tail else core)
    except InvalidVersion:
        return Version.parse(core)


@given(MODELS, versions())
def test_a_name_is_a_dns_label(model: str, version: Version) -> None:
    name = versioned_name(model, version)
    assert len(name) <= 63
    assert NAME.match(name), name


@given(MODELS, versions(), versions())
def test_two_versions_never_share_a_name(model: str, one: Version, other: Version) -> None:
    assert (versioned_name(model, one) == versioned_name(model, other)) == (one == other)


@given(MODELS, versions())
def test_a_label_is_valid(model: str, version: Version) -> None:
    for value in selector(model, version).values():
        assert len(value) <= 63
        assert LABEL.match(value), value


@pytest.mark.parametrize(
    ("version", "name"),
    [
        pytest.param("1.2.3", "churn-v1-2-3", id="a release reads as it is"),
        pytest.param("0.0.0", "churn-v0-0-0", id="zeros"),
    ],
)
def test_name(version: str, name: str) -> None:
    assert versioned_name("churn", Version.parse(version)) == name
