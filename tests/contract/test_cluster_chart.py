"""The gateway's chart is a copy that its user may change and remove, though Go's module cache is read-only."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hack.cluster import gateway


def test_its_owner_may_write_each_folder_of_the_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    chart = gateway.chart()
    folders = [chart, *(path for path in chart.rglob("*") if path.is_dir())]
    assert [folder for folder in folders if not folder.stat().st_mode & stat.S_IWUSR] == []
