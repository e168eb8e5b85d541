"""A custom model in KServe's SDK, V1 and V2, as its documentation writes one; run by path in the bench's environment.

`python bench/online/servers/kserve_server.py PORT MODEL`
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from runtimes import load


class Bench(Model):
    """Takes V1 instances, or one V2 matrix, or one V2 tensor for each feature."""

    def __init__(self, path: str) -> None:
        super().__init__("bench")
        self._run = load(path)
        self.ready = True

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        if not isinstance(payload, InferRequest):
            return {"predictions": self._run(np.array(payload["instances"], dtype=np.float32)).tolist()}
        columns = [tensor.as_numpy() for tensor in payload.inputs]
        matrix = columns[0] if len(columns) == 1 else np.column_stack([column.reshape(-1) for column in columns])
        answers = self._run(np.ascontiguousarray(matrix, dtype=np.float32))
        output = InferOutput("prediction", list(answers.shape), "FP32", data=answers.tolist())
        return InferResponse(response_id=payload.id or "", model_name=self.name, infer_outputs=[output])


if __name__ == "__main__":
    ModelServer(http_port=int(sys.argv[1]), workers=1, enable_grpc=False, enable_latency_logging=False).start(
        [Bench(sys.argv[2])]
    )
