"""FastAPI as tutorials write it: a plain function, a list made a tensor, FastAPI's own answer.

`python -m bench.online.servers.fastapi_usual PORT MODEL`
"""

from __future__ import annotations

import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Question(BaseModel):
    """One row."""

    features: list[float]


class Answer(BaseModel):
    """One prediction."""

    prediction: float


@app.post("/predict")
def predict(question: Question) -> Answer:
    """In FastAPI's thread pool, as every plain function."""
    with torch.no_grad():
        return Answer(prediction=app.state.model(torch.tensor([question.features])).item())


if __name__ == "__main__":
    app.state.model = torch.jit.load(sys.argv[2]).eval()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
