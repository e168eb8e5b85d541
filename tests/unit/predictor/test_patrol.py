from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from modelloop_predictor.patrol import room_for


@pytest.fixture(autouse=True)
def few_files() -> Iterator[int]:
    """A soft bound of open files, which is put back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 512
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    yield few
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_bound_of_open_files_is_raised_for_the_connections() -> None:
    assert room_for(600) == 600
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 600 + 256


def test_a_bound_that_is_high_enough_stays(few_files: int) -> None:
    assert room_for(100) == 100
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == few_files


def test_more_connections_than_the_system_has_files_for_are_not_tried() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard != resource.RLIM_INFINITY
    assert room_for(hard) == hard - 256
