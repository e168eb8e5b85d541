"""A constant answer under uvicorn: what ASGI itself costs. `python -m bench.online.servers.constant PORT`"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

BODY = b'{"prediction":0.5,"model_version":"v1.0.0","request_id":"00000000000000000000000000000000"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, answer the constant."""
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", lifespan="off",
        log_level="warning", access_log=False,
    )  # fmt: skip
