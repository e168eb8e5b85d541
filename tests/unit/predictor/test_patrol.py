from __future__ import annotations

import resource

import pytest

from modelloop_predictor.patrol import files_for, most_within, room_for

ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "files"),
    [
        pytest.param(1024, 4096, 1256, id="raised"),
        pytest.param(1024, ENDLESS, 1256, id="raised, however high it may be"),
        pytest.param(512, 1024, 1024, id="raised as far as it may be"),
        pytest.param(1256, 4096, 1256, id="just enough"),
        pytest.param(65536, 65536, 65536, id="more than enough"),
        pytest.param(ENDLESS, ENDLESS, ENDLESS, id="no bound"),
    ],
)
def test_open_files_are_bounded_by_what_the_connections_need(soft: int, hard: int, files: int) -> None:
    assert files_for(1000, soft, hard) == files


@pytest.mark.parametrize(
    ("files", "connections"), [(1256, 1000), (1000, 744), (128, 64), (ENDLESS, 1000), (1 << 20, 1000)]
)
def test_other_files_keep_their_room(files: int, connections: int) -> None:
    assert most_within(files, 1000) == connections


def test_the_processs_own_bound_is_raised() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    try:
        assert room_for(100) == 100
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 356
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
