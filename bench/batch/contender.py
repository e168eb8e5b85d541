"""One way to score a file, in a process of its own: `contender.py NAME FOLDER ROWS OUTPUT THREADS`.

Prints one line of JSON: seconds from the first byte read to the last one written, libraries and model loaded before. It
imports nothing of ours but for `modelloop-*`, so that the others can run in an environment of their own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BLOCK = 1024
BATCH = 65_536


def modelloop(kind: str, folder: Path, rows: str, output: Path, threads: int) -> Callable[[], None]:
    """What `modelloop score` does: checks, drift profile and manifest included."""
    from modelloop_batch.asked import Asked
    from modelloop_batch.inputs import open_source
    from modelloop_batch.model import load_version
    from modelloop_batch.output import Output
    from modelloop_batch.run import Run
    from modelloop_core.registry import Registry, utc_now
    from modelloop_core.storage.open import open_store
    from modelloop_core.versions import Version

    registry = Registry(open_store(str(folder / kind / "registry")))
    version = load_version(registry, Version(1, 0, 0), output / "cache", device="cpu")
    asked = Asked(date="2026-01-01", threads=threads)

    def work() -> None:
        source = open_source(str(folder / rows), open_store)
        store = Output(str(output), open_store(str(output)))
        Run(asked, source, store, version, now=utc_now).score()

    return work


def lean(kind: str, folder: Path, rows: str, output: Path, threads: int) -> Callable[[], None]:
    """A short loop by somebody who knows how: batches, blocks of 1,024, one column written; no check and no count."""
    read, forward, write = parts(kind, folder, rows, output, threads)

    def work() -> None:
        written = write()
        next(written)
        for matrix in read():
            written.send(forward(matrix))
        written.close()

    return work


def separately(kind: str, folder: Path, rows: str, output: Path, threads: int) -> Callable[[], dict[str, float]]:
    """Read, forward and write of the lean loop, each for itself and after the others."""
    read, forward, write = parts(kind, folder, rows, output, threads)

    def work() -> dict[str, float]:
        times = [time.perf_counter()]
        matrices = list(read())
        times.append(time.perf_counter())
        answers = [forward(matrix) for matrix in matrices]
        times.append(time.perf_counter())
        written = write()
        next(written)
        for answer in answers:
            written.send(answer)
        written.close()
        times.append(time.perf_counter())
        return {name: times[place + 1] - times[place] for place, name in enumerate(("read", "forward", "write"))}

    return work


def parts(kind: str, folder: Path, rows: str, output: Path, threads: int) -> tuple[Any, Any, Any]:
    """How the lean loop reads, scores and writes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(threads)

    def read() -> Any:
        with pq.ParquetFile(folder / rows / "rows.parquet") as file:
            for batch in file.iter_batches(BATCH):
                yield np.stack([column.to_numpy() for column in batch.columns], axis=1)

    score = _forward(kind, folder, threads)

    def forward(matrix: Any) -> Any:
        return np.concatenate([score(matrix[at : at + BLOCK]) for at in range(0, len(matrix), BLOCK)])

    def write() -> Any:
        schema = pa.schema([("score", pa.float32())])
        with pq.ParquetWriter(output / "scores.parquet", schema, use_dictionary=False) as writer:
            while True:
                answers = yield
                writer.write_batch(pa.RecordBatch.from_arrays([pa.array(answers)], schema=schema))

    return read, forward, write


def _forward(kind: str, folder: Path, threads: int) -> Callable[[Any], Any]:
    if kind == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(folder / "onnx/model.onnx"), options)
        return lambda block: session.run(None, {"x": block})[0].reshape(-1)
    import torch

    torch.set_num_threads(threads)
    model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.load(folder / "torch/model.ts.pt").eval()))

    def forward(block: Any) -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(block)).numpy()

    return forward


def pandas(kind: str, folder: Path, rows: str, output: Path, threads: int) -> Callable[[], None]:
    """As usually written: a frame, a tensor, one forward, a column more."""
    import pandas as pd
    import torch

    torch.set_num_threads(threads)
    model = torch.jit.load(folder / "torch/model.ts.pt").eval()

    def work() -> None:
        frame = pd.read_parquet(folder / rows / "rows.parquet")
        with torch.no_grad():
            frame["score"] = model(torch.tensor(frame.values, dtype=torch.float32)).numpy()
        frame[["score"]].to_parquet(output / "scores.parquet")

    return work


def ray(kind: str, folder: Path, rows: str, output: Path, threads: int) -> Callable[[], None]:
    """Ray Data with an actor for each thread, as its documentation scores a table; started before it is measured."""
    import logging

    import numpy as np
    import ray

    ray.init(num_cpus=threads, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False

    class Score:
        def __init__(self) -> None:
            self.score = _forward(kind, folder, 1)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            matrix = np.stack(list(batch.values()), axis=1)
            blocks = [self.score(matrix[at : at + BLOCK]) for at in range(0, len(matrix), BLOCK)]
            return {"score": np.concatenate(blocks)}

    def work() -> None:
        data = ray.data.read_parquet(str(folder / rows / "rows.parquet"))
        # An actor holds a CPU for itself; the reading has to have one left.
        actors = max(1, threads - 1)
        data.map_batches(Score, concurrency=actors, batch_size=BATCH).write_parquet(str(output / "scores"))

    return work


WAYS = {"modelloop": modelloop, "lean": lean, "separately": separately, "pandas": pandas, "ray": ray}


def main() -> None:
    """Prepare one way, run it once and print what it took."""
    name, folder, rows, output, threads = sys.argv[1:]
    way, _, kind = name.partition("-")
    work = WAYS[way](kind or "torch", Path(folder), rows, Path(output), int(threads))
    begun, cpu = time.perf_counter(), time.process_time()
    found = work()
    seconds = {"in process s": time.perf_counter() - begun, "cpu s": time.process_time() - cpu}
    sys.stdout.write(json.dumps({**seconds, **(found or {})}) + "\n")


if __name__ == "__main__":
    main()
