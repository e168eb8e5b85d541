"""FastAPI by someone who measures: uvloop, httptools, orjson both ways, a frozen TorchScript, one thread, no log.

It validates what the predictor validates of these rows: 20 finite numbers each.
`python -m bench.online.servers.fastapi_tuned PORT MODEL`
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
import torch
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, FiniteFloat

Row = Annotated[list[FiniteFloat], Field(min_length=20, max_length=20)]


class Question(BaseModel):
    """One row or many."""

    features: Row | None = None
    instances: Annotated[list[Row], Field(min_length=1)] | None = None


class OrjsonRequest(Request):
    """A request whose JSON is read by orjson."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class OrjsonRoute(APIRoute):
    """A route that reads its requests so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def with_orjson(request: Request) -> Response:
            return await handle(OrjsonRequest(request.scope, request.receive))

        return with_orjson


def create_app(path: str) -> FastAPI:
    """One route before the frozen model in `path`."""
    torch.set_num_threads(1)
    program = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.load(path).eval()))
    for rows in (1, 1, 1, 32, 32, 32):
        program(torch.zeros(rows, 20))
    app = FastAPI()
    app.router.route_class = OrjsonRoute

    @app.post("/predict")
    async def predict(question: Question) -> Response:
        with torch.inference_mode():
            if question.features is not None:
                answer = {"prediction": program(torch.tensor([question.features])).item()}
            else:
                answer = {"predictions": program(torch.tensor(question.instances)).tolist()}
        return Response(orjson.dumps(answer), media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools",
        log_level="warning", access_log=False,
    )  # fmt: skip
