"""`python -m bench.drift`: counting, the battery and whole comparisons, beside numpy, evidently and nannyml.

Seconds are of CPU, on one thread: what a core gives, whatever else runs on the machine. Exit code 0 when it ran.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.drift.page import CATEGORICAL, NUMERIC
from bench.report import RESULTS, Goal, publish
from modelloop_cli.drift_verdict import judge_pairs
from modelloop_cli.table_pairs import read_pairs
from modelloop_core.drift.counter import ProfileCounter
from modelloop_core.drift.profile import Profile
from modelloop_core.drift.reference import Reference, build_reference
from modelloop_core.drift.verdicts import judge
from modelloop_core.feature_schema import BinaryOutput, CategoricalFeature, NumericFeature, Signature
from modelloop_core.wire.settings import DriftSettings

ROWS = 1_000_000
LEVELS = tuple("abcdefgh")
ROOT = RESULTS.parents[1]
PYTHON = ROOT / ".cache/drift-venv/bin/python"
CONTENDERS = {"evidently": "its default preset, in memory", "nannyml": "all its univariate methods, in memory"}
DEADLINE_SECONDS = 480
ROUNDS = 5


def main() -> int:
    """Read the command line, run, publish."""
    parser = argparse.ArgumentParser(prog="bench-drift", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="of each of the two tables (default %(default)s)")
    rows = parser.parse_args().rows
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-drift-") as name:
        paths = [Path(name) / f"{side}.parquet" for side in ("reference", "current")]
        for seed, path in enumerate(paths):
            _write(path, rows, seed)
        told, measured = _ours(paths, rows)
        for contender in CONTENDERS:
            told.append(_contender(contender, paths, DEADLINE_SECONDS - (time.monotonic() - began)))
    ours = told[0]["cpu s"]
    for row in told:
        row["times ours"] = None if row["cpu s"] is None else row["cpu s"] / ours
    more = {"run": [{"rows of each table": rows, **measured}]}
    folder = RESULTS if rows == ROWS else ROOT / ".cache/bench"
    goals, packages = _goals(told, measured), ("numpy", "scipy", "pyarrow")
    publish("drift", told, goals, packages, others=_versions(), more=more, folder=folder)
    return 0


def _write(path: Path, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"n{place}": rng.normal(size=rows).astype(np.float32) for place in range(NUMERIC)}
    for place in range(CATEGORICAL):
        columns[f"c{place}"] = pa.array(np.array(LEVELS)[rng.integers(0, len(LEVELS), rows)])
    pq.write_table(pa.table(columns), path)


def _ours(paths: list[Path], rows: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    # As with the others, what is loaded at first use is loaded before anything is measured.
    few = [path.with_name(f"few-{path.name}") for path in paths]
    for seed, path in enumerate(few):
        _write(path, 1000, seed)
    judge_pairs(read_pairs(*few, None), exact=True)
    pairs = read_pairs(*paths, None)
    whole, _ = _cpu(lambda: judge_pairs(read_pairs(*paths, None), exact=False))
    exact, _ = _cpu(lambda: judge_pairs(pairs, exact=True))
    matrices = [np.stack([getattr(pair, side) for pair in pairs.columns], axis=1) for side in ("reference", "current")]
    floor, _ = _cpu(lambda: [_numpy(matrix, matrices[0]) for matrix in matrices])
    reference, profile, counting, nbytes = _counted(matrices, rows)
    battery = statistics.median(_cpu(lambda: judge(reference, profile, DriftSettings()))[0] for _ in range(101))
    told = [
        {"what": "modelloop drift", "cpu s": whole, "note": "reading both files, bins, counting, battery, verdicts"},
        {"what": "modelloop drift --exact, in memory", "cpu s": exact, "note": "and scipy's KS and Wasserstein"},
        {"what": "numpy direct", "cpu s": floor, "note": "a sort and a searchsorted of each column, no statistics"},
    ]
    return told, {"counting M rows/s": counting / 1e6, "battery ms": 1000 * battery, "counters KB": nbytes / 1000}


def _counted(matrices: list[np.ndarray], rows: int) -> tuple[Reference, Profile, float, int]:
    inputs = (
        *(NumericFeature(name=f"n{place}") for place in range(NUMERIC)),
        *(CategoricalFeature(name=f"c{place}", levels=LEVELS) for place in range(CATEGORICAL)),
    )
    signature, answers = Signature(inputs=inputs, output=BinaryOutput()), np.random.default_rng(9).random(rows)
    reference = build_reference(signature, matrices[0], answers)
    counter = ProfileCounter(signature, reference)
    seconds = statistics.median(_cpu(lambda: counter.count(matrices[1], answers))[0] for _ in range(ROUNDS))
    counter.take()
    counter.count(matrices[1], answers)
    return reference, counter.take(), rows / seconds, counter.nbytes


def _numpy(matrix: np.ndarray, reference: np.ndarray) -> list[np.ndarray]:
    """Counts in deciles of the reference, or by code: the least that any battery has to do."""
    found = []
    for place, values in enumerate(matrix.T):
        if place < NUMERIC:
            edges = np.quantile(reference[:1000, place], np.arange(1, 80) / 80)
            found.append(np.searchsorted(np.sort(values.astype(np.float32)), edges))
        else:
            found.append(np.bincount(values.astype(np.int64), minlength=len(LEVELS)))
    return found


def _contender(name: str, paths: list[Path], seconds: float) -> dict[str, Any]:
    row: dict[str, Any] = {"what": name, "cpu s": None, "note": CONTENDERS[name]}
    if not PYTHON.exists():
        return {**row, "note": "not installed"}
    command = [PYTHON, Path(__file__).with_name("contender.py"), name, *paths]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=max(seconds, 1), env={**os.environ, **ALONE}
        )
    except subprocess.TimeoutExpired:
        return {**row, "note": f"not done after {seconds:.0f} s"}
    if done.returncode:
        return {**row, "note": f"failed: {done.stderr.strip().splitlines()[-1][:80]}"}
    return {**row, "cpu s": json.loads(done.stdout.splitlines()[-1])["cpu s"]}


ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    before = time.process_time()
    made = work()
    return time.process_time() - before, made


def _goals(told: list[dict[str, Any]], measured: Mapping[str, float]) -> list[Goal]:
    ratios = {row["what"]: row["times ours"] for row in told}
    counting, battery, counters = (measured[name] for name in ("counting M rows/s", "battery ms", "counters KB"))
    found = [
        Goal("counting, M rows/s/core in blocks of 25 features", ">= 2", counting, counting >= 2),
        Goal("battery of 25 features from two stored profiles, ms", "< 5", battery, battery < 5),
        Goal("counters of one version, KB", "< 100", counters, counters < 100),
    ]
    for name, bound in (("evidently", 40), ("nannyml", 15)):
        value = ratios[name]
        found.append(Goal(f"{name} / modelloop drift, CPU", f">= {bound}", value, value is not None and value >= bound))
    return found


def _versions() -> dict[str, str]:
    if not PYTHON.exists():
        return dict.fromkeys(CONTENDERS, "not installed")
    ask = f"from importlib.metadata import version; print(*(version(name) for name in {tuple(CONTENDERS)!r}))"
    said = subprocess.run([PYTHON, "-c", ask], capture_output=True, text=True).stdout.split()
    return dict(zip(CONTENDERS, said, strict=False))


if __name__ == "__main__":
    sys.exit(main())
