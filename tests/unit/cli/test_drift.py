from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from typer.testing import CliRunner

from modelloop_cli.errors import Refused, report
from modelloop_cli.main import CLUSTER, LOCAL, build
from modelloop_cli.output import Output

KEYS = {
    "kind", "reference_n", "current_n", "reference_null", "current_null", "psi", "kl", "js_distance", "hellinger",
    "l_infinity", "wasserstein", "wasserstein_over_sd", "ks_statistic", "ks_pvalue", "chi2_statistic", "chi2_pvalue",
    "adjusted_pvalue", "unseen_levels", "verdict",
}  # fmt: skip
Compare = Callable[..., Any]


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compare:
    """Runs `modelloop drift` on two tables (frames, Arrow tables, or bytes of a file)."""
    monkeypatch.chdir(tmp_path)

    def run(reference: Any, current: Any, *options: str) -> Any:
        _write(tmp_path / "a.parquet", reference)
        _write(tmp_path / "b.parquet", current)
        words = ("drift", "--reference", "a.parquet", "--current", "b.parquet", *options)
        return CliRunner().invoke(build((*CLUSTER, *LOCAL)), words)

    return run


def _write(path: Path, table: Any) -> None:
    if isinstance(table, bytes):
        path.write_bytes(table)
    else:
        pq.write_table(table if isinstance(table, pa.Table) else pa.Table.from_pandas(pd.DataFrame(table)), path)


def _rows(rows: int = 2000, shift: float = 0.0, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "age": rng.normal(40 + shift, 10, rows),
        "city": rng.choice(["bern", "rom"], rows),
        "paid": rng.random(rows) < 0.5,
    }


def _features(done: Any) -> Any:
    assert done.exit_code in (0, 1), done.output
    return json.loads(done.stdout)["features"]


def test_the_json_is_the_contract(compare: Compare) -> None:
    done = compare(_rows(), _rows(1000, seed=2), "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert set(document) == {"reference_rows", "current_rows", "verdict", "features"}
    assert (document["reference_rows"], document["current_rows"], document["verdict"]) == (2000, 1000, "stable")
    assert list(document["features"]) == ["age", "city", "paid"]
    assert all(set(feature) == KEYS for feature in document["features"].values())
    assert [feature["kind"] for feature in document["features"].values()] == ["numeric", "categorical", "numeric"]
    assert document["features"]["city"]["ks_statistic"] is None


def test_what_drifted_is_named_first_and_ends_in_one(compare: Compare) -> None:
    done = compare(_rows(), _rows(shift=9.0, seed=2))
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["FEATURE", "VERDICT", "PSI", "JS", "KS", "W/SD", "MISSING", "WHY"]
    assert lines[1].split()[:2] == ["age", "DRIFT"]
    assert "drift: 1 of 3 columns drifted: age" in lines


@pytest.mark.parametrize("form", [("--json",), ("--output", "json"), ("-o", "json")])
def test_json_may_be_asked_for_in_either_way_and_errors_come_in_it(compare: Compare, form: tuple[str, ...]) -> None:
    assert _features(compare(_rows(), _rows(), *form))
    done = compare(_rows(), b"no table", *form)
    assert done.exit_code == 2
    assert "'b.parquet' cannot be read as Parquet" in json.loads(done.stderr)["error"]


def test_exact_gives_scipys_numbers_of_the_raw_samples(compare: Compare) -> None:
    reference, current = _rows(), _rows(900, shift=2.0, seed=3)
    found = _features(compare(reference, current, "--exact", "--json"))["age"]
    expected = stats.ks_2samp(current["age"], reference["age"], method="asymp")
    assert (found["ks_statistic"], found["ks_pvalue"]) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    assert found["wasserstein"] == pytest.approx(
        stats.wasserstein_distance(current["age"], reference["age"]), rel=1e-12
    )
    binned = _features(compare(reference, current, "--json"))["age"]
    assert binned["ks_statistic"] <= found["ks_statistic"]
    assert binned["psi"] == found["psi"]


def test_a_schema_says_that_numbers_are_levels(compare: Compare, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("inputs: [{kind: categorical, name: code, levels: ['1', '2']}]")
    tables = [{"code": np.repeat(values, 1000), "age": np.arange(2000)} for values in ([1, 2], [1, 3])]
    found = _features(compare(*tables, "--schema", "s.yaml", "--json"))
    assert list(found) == ["code"]
    assert (found["code"]["kind"], found["code"]["unseen_levels"], found["code"]["verdict"]) == (
        "categorical",
        ["3"],
        "drift",
    )


def test_what_cannot_be_compared_is_said(compare: Compare) -> None:
    day = {"day": [datetime.date(2020, 1, 1)] * 2000}
    done = compare({**_rows(), **day, "gone": [1] * 2000}, {**_rows(seed=2), **day, "new": [1] * 2000}, "--json")
    assert list(_features(done)) == ["age", "city", "paid"]
    assert "not compared: day, of type date32[day]: what tells the time always moves on" in done.stderr
    assert "not compared: gone, which only the reference has" in done.stderr
    assert "not compared: new, which only the current table has" in done.stderr


def test_a_column_without_a_name_is_left_out_with_the_reason(compare: Compare) -> None:
    table = pa.table({"x": np.arange(2000.0), "": np.arange(2000.0)})
    done = compare(table, table, "--json")
    assert (done.exit_code, "a column without a name" in done.output) == (0, True), done.output


def _one(values: Any) -> pa.Table:
    return pa.table({"x": values})


N = 1000
ODD: dict[str, tuple[pa.Table, pa.Table, str]] = {
    "booleans": (_one([True, False] * N), _one([True, True, False, False] * N), "stable"),
    "whole numbers against fractions": (_one([1, 2] * N), _one([1.0, 2.0] * N), "stable"),
    "single against double precision": (
        _one(pa.array(np.arange(2 * N) / 100, pa.float32())), _one(np.arange(2 * N) / 100), "stable",
    ),
    "huge whole numbers": (_one([2**63 - 1, -(2**63)] * N), _one([2**63 - 1, -(2**63)] * N), "stable"),
    "decimals": (
        _one(pa.array([1, 2] * N, pa.decimal128(9, 2))), _one(pa.array([1, 2] * N, pa.decimal128(9, 2))), "stable",
    ),
    "numbers against the same as texts": (_one([1, 2] * N), _one(["1", "2"] * N), "stable"),
    "numbers that became words": (_one([1, 2] * N), _one(["one", "two"] * N), "drift"),
    "categories against texts": (
        _one(pa.array(["a", "b"] * N).dictionary_encode()), _one(["a", "b"] * N), "stable",
    ),
    "all null on both sides": (_one([None] * N), _one([None] * N), "no-data"),
    "all null now": (_one([1.5] * N), _one([None] * N), "drift"),
    "all null then": (_one([None] * N), _one(["a"] * N), "no-data"),
    "not a number everywhere": (_one([float("nan")] * N), _one([float("nan")] * N), "no-data"),
    "infinities": (_one([1.0, 2.0] * N), _one([float("inf"), -float("inf")] * N), "drift"),
    "the ends of float64": (_one([1e308, -1e308] * N), _one([1e308, -1e308, 5e-324, 0.0] * N), "drift"),
    "a constant": (_one([7] * N), _one([7] * N), "stable"),
    "another constant": (_one([7] * N), _one([8] * N), "drift"),
    "one row": (_one([1.0] * N), _one([1.0]), "insufficient-data"),
    "one row each": (_one([1.0]), _one([1.0]), "insufficient-data"),
    "no row now": (_one([1.0] * N), _one(pa.array([], pa.float64())), "no-data"),
    "identifiers": (_one([f"u{n}" for n in range(3 * N)]), _one([f"u{n}" for n in range(3 * N)]), "stable"),
    "empty texts and signs": (_one(["", "ß", "\n"] * N), _one(["", "ß", "\n"] * N), "stable"),
}  # fmt: skip


@pytest.mark.parametrize("exact", [(), ("--exact",)], ids=["profiles", "exact"])
@pytest.mark.parametrize("case", ODD)
def test_odd_columns_end_in_a_verdict(compare: Compare, case: str, exact: tuple[str, ...]) -> None:
    reference, current, verdict = ODD[case]
    done = compare(reference, current, "--json", *exact)
    found = _features(done)["x"]
    assert found["verdict"] == verdict, found
    assert done.exit_code == (1 if verdict == "drift" else 0)
    assert all(np.isfinite(value) for value in found.values() if isinstance(value, float))
    text = compare(reference, current, *exact)
    assert text.exit_code == done.exit_code, text.output


@pytest.mark.parametrize(
    ("reference", "current", "options", "said"),
    [
        (b"", _rows(10), (), "'a.parquet' cannot be read as Parquet"),
        (_rows(10), b"\x00" * 900, (), "'b.parquet' cannot be read as Parquet"),
        ({"x": []}, _rows(10), (), "'a.parquet' has no rows"),
        ({"x": [1]}, {"y": [1]}, (), "no column that can be compared"),
        ({"x": [[1, 2]]}, {"x": [[1]]}, (), "neither numbers nor texts"),
        ({"x": [1]}, {"x": [1]}, ("--schema", "a.parquet"), "'a.parquet': the schema"),
        ({"x": ["a"]}, {"x": ["b"]}, ("--schema", "numeric.yaml"), "declared as numbers, but of type"),
        ({"x": [1]}, {"y": [1]}, ("--schema", "numeric.yaml"), "'b.parquet' has 0 columns named 'x'"),
        ({"x": [1]}, {"x": [1]}, ("--schema", "none.yaml"), "none.yaml"),
        ({"x": [1]}, {"x": [1]}, ("--current", "none.parquet"), "none.parquet"),
    ],
    ids=["empty file", "bytes", "no rows", "nothing in common", "lists", "a schema that is none",
         "texts declared numbers", "a declared column that is missing", "no schema file", "no such file"],
)  # fmt: skip
def test_wrong_use_is_a_sentence_and_two(
    compare: Compare, tmp_path: Path, reference: Any, current: Any, options: tuple[str, ...], said: str
) -> None:
    (tmp_path / "numeric.yaml").write_text("inputs: [{kind: numeric, name: x}]")
    done = compare(reference, current, *options)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(Refused("no"), 1, id="refused"),
        pytest.param(FileNotFoundError("no"), 1, id="no file"),
        pytest.param(KeyError("no"), 70, id="a fault of our own"),
    ],
)
def test_a_fault_of_the_program_is_not_taken_for_a_finding(error: Exception, code: int) -> None:
    assert report(error, Output.TEXT) == code
