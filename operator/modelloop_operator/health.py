"""`/healthz`, `/readyz` and `/metrics` of the operator."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


def application(registry: CollectorRegistry, ready: Callable[[], str]) -> web.Application:
    """The pages; `ready` returns an empty text when this replica can act or take over, else what it waits for."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        waiting = ready()
        return web.Response(status=503 if waiting else 200, text=f"{waiting or 'ok'}\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    pages = web.Application()
    pages.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return pages


async def serve(pages: web.Application, port: int) -> web.AppRunner:
    """Listen on all interfaces; the caller cleans the runner up."""
    runner = web.AppRunner(pages, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
