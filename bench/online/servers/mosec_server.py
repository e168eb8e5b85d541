"""mosec with dynamic batches, orjson both ways, one worker; started by path inside the bench's own environment.

`python bench/online/servers/mosec_server.py MODEL --port PORT`: the model goes by BENCH_MODEL, mosec reads the rest.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import orjson
from mosec import Server, Worker
from runtimes import load

LARGEST_BATCH = 64
LONGEST_WAIT_MS = int(os.environ.get("BENCH_WAIT_MS", "1"))


class Predict(Worker):
    """Reads, runs and writes in one stage: a second stage would cost another hop between processes."""

    def __init__(self) -> None:
        super().__init__()
        self._run = load(os.environ["BENCH_MODEL"])

    def deserialize(self, data: bytes) -> tuple[Any, bool]:
        question = orjson.loads(data)
        many = "instances" in question
        return np.array(question["instances"] if many else [question["features"]], dtype=np.float32), many

    def forward(self, data: list[tuple[Any, bool]]) -> list[Any]:
        matrices = [matrix for matrix, _ in data]
        answers = self._run(matrices[0] if len(matrices) == 1 else np.concatenate(matrices)).tolist()
        found, start = [], 0
        for matrix, many in data:
            mine = answers[start : start + len(matrix)]
            start += len(matrix)
            found.append({"predictions": mine} if many else {"prediction": mine[0]})
        return found

    def serialize(self, data: Any) -> bytes:
        return orjson.dumps(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Predict, num=1, max_batch_size=LARGEST_BATCH, max_wait_time=LONGEST_WAIT_MS, route="/predict")
    server.run()
