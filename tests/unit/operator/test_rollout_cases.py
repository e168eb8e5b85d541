"""The table of cases in docs/rollout.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("unit/operator", "cluster", "contract/monitor", "e2e/rollout")


def test_each_case_names_tests_that_there_are() -> None:
    table = (ROOT / "docs/rollout.md").read_text().partition("## Cases, and the test of each")[2]
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", table.partition("| case | test |")[2]))
    files = (path for folder in FOLDERS for path in (ROOT / "tests" / folder).glob("test_*.py"))
    there = {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    assert len(named) > 20
    assert named - there == set()
