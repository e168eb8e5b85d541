"""Writes what the bench scores: Parquet of 20 floats, and a version of one model in TorchScript and one in ONNX.

A process of its own, `python -m bench.batch.make FOLDER ROWS…`: the bench itself loads no torch.
"""

from __future__ import annotations

import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from bench.online.models import SEED, SIGNATURE, Score
from bench.online.wires import FEATURES
from modelloop_core.drift.reference import REFERENCE_NAME, build_reference
from modelloop_core.manifest import Manifest, ModelFormat
from modelloop_core.registry import Registry, describe
from modelloop_core.storage.directory import DirectoryStore

GROUP = 100_000
REFERENCE_ROWS = 100_000
WIDTHS = (64, 32)


def main(folder: Path, sizes: list[int]) -> None:
    """Write everything below `folder`."""
    torch.manual_seed(SEED)
    model = Score(WIDTHS).eval()
    _publish(folder / "torch", model, ModelFormat.TORCHSCRIPT)
    _publish(folder / "onnx", model, ModelFormat.ONNX)
    for rows in sizes:
        _write(folder / f"{rows}" / "rows.parquet", rows)


def _write(path: Path, rows: int) -> None:
    path.parent.mkdir()
    drawn = np.random.default_rng(rows)
    names = SIGNATURE.feature_names
    schema = pa.schema([(name, pa.float32()) for name in names])
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression="snappy") as writer:
        for start in range(0, rows, GROUP):
            block = drawn.normal(size=(FEATURES, min(GROUP, rows - start))).astype(np.float32)
            writer.write_table(pa.table(list(map(pa.array, block)), schema=schema), row_group_size=GROUP)


def _publish(folder: Path, model: Score, kind: ModelFormat) -> None:
    folder.mkdir()
    path = folder / kind.value
    rows = np.random.default_rng(SEED).normal(size=(REFERENCE_ROWS, FEATURES)).astype(np.float32)
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        answers = model(torch.from_numpy(rows)).numpy()
        if kind is ModelFormat.ONNX:
            torch.onnx.export(
                model, (torch.zeros(2, FEATURES),), str(path), input_names=["x"], output_names=["y"],
                dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}}, dynamo=False,
            )  # fmt: skip
        else:
            scripted: Any = torch.jit.script(model)
            scripted.save(str(path))
    reference = build_reference(SIGNATURE, rows.astype(np.float64), answers.astype(np.float64))
    files = {path.name: path, REFERENCE_NAME: reference.to_json()}
    manifest = Manifest(
        version="1.0.0", format=kind, signature=SIGNATURE, files=describe(files), created=datetime.now(UTC)
    )
    Registry(DirectoryStore(folder / "registry")).publish(manifest, files)


if __name__ == "__main__":
    main(Path(sys.argv[1]), list(map(int, sys.argv[2:])))
