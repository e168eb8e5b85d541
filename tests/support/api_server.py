"""An API server of canned answers on a port of its own, and kubeconfigs that name it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

UNKNOWN_PATH = "404 page not found\n"
"""What a real API server says of a group or kind that it does not serve."""


@dataclass
class ApiServer:
    """Answers by path: a body, a status and a body, or what gives one for a method and a body; keeps what was asked."""

    url: str
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def forbid(self, path: str, resource: str) -> None:
        """Refuse a path as RBAC does."""
        message = f'{resource} is forbidden: User "ann" cannot get resource "{resource}"'
        self.answers[path] = (403, {"kind": "Status", "message": message, "reason": "Forbidden", "code": 403})

    def absent(self, path: str) -> None:
        """Say of a path that its object does not exist."""
        name = path.rpartition("/")[2]
        told = {"kind": "Status", "message": f'"{name}" not found', "reason": "NotFound", "details": {"name": name}}
        self.answers[path] = (404, told)


@contextmanager
def run_api_server() -> Iterator[ApiServer]:
    """A server for the time of the block."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            server.asked.append(path)
            found = server.answers.get(path, (404, UNKNOWN_PATH))
            if callable(found):
                length = int(self.headers.get("Content-Length") or 0)
                found = found(self.command, json.loads(self.rfile.read(length) or "null"))
            status, body = found if isinstance(found, tuple) else (200, found)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
            self.end_headers()
            self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())

        do_PATCH = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as listening:
        server = ApiServer(f"http://127.0.0.1:{listening.server_port}")
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield server
        listening.shutdown()


def write_kubeconfig(path: Path, current: str | None, **contexts: tuple[str, str | None]) -> Path:
    """A kubeconfig with these contexts, each of a server's URL and a namespace."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        **({"current-context": current} if current else {}),
        "clusters": [{"name": name, "cluster": {"server": url}} for name, (url, _) in contexts.items()],
        "users": [{"name": "ann", "user": {"token": "t"}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "ann", **({"namespace": space} if space else {})}}
            for name, (_, space) in contexts.items()
        ],
    }
    path.write_text(yaml.safe_dump(document))
    return path
