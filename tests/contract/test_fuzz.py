from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS = 300_000
"""Inputs for each target; `make fuzz` tries a hundred times as many."""


@pytest.mark.parametrize("target", ["heads", "rows", "infer"])
def test_no_bytes_that_the_fuzzer_finds_break_a_promise(target: str) -> None:
    command = [sys.executable, ROOT / "tests" / "fuzz.py", target, str(RUNS)]
    fuzzed = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT / "tests")}, capture_output=True, text=True, timeout=300, check=False
    )
    assert fuzzed.returncode == 0, fuzzed.stderr[-5000:]
    assert f"Done {RUNS} runs" in fuzzed.stderr
