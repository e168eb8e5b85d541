"""Targets of the Makefile that do more than call one program."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_cluster_down_tries_both_profiles_and_fails_when_one_does(tmp_path: Path) -> None:
    said, python = tmp_path / "said", tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {said}\ncase "$*" in *node) exit 1;; esac\n')
    python.chmod(0o755)
    command = ["make", "--old-file", ".venv/.ready", "cluster-down", f"PY={python}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.read_text().splitlines() == [
        "-m hack.cluster down --profile node",
        "-m hack.cluster down --profile control-plane",
    ]
    assert done.returncode != 0
