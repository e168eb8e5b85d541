"""Settings come as text; one that would go wrong later stops the start, by name."""

from __future__ import annotations

import pytest

from modelloop_monitor.settings import SettingsError, read_settings


def test_intervals_of_traffic_are_a_whole_part_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELLOOP_MONITOR_TRAFFIC_SECONDS", "10")
    assert read_settings().traffic_seconds == 10

    monkeypatch.setenv("MODELLOOP_MONITOR_TRAFFIC_SECONDS", "7")
    with pytest.raises(SettingsError, match=r"TRAFFIC_SECONDS: .* minutes do not begin with every interval of 7 s"):
        read_settings()
