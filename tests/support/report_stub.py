"""A monitor as the operator meets it, over real HTTP: it answers what a test puts into it, or fails as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from fakes.monitor import an_evidence
from modelloop_core.wire.evidence import EvidenceQuery, Verdict
from modelloop_core.wire.reports import DriftReport
from modelloop_core.wire.rollouts import ModelRollouts
from modelloop_core.wire.settings import ModelSettings


@dataclass
class ReportStub:
    """What it holds: settings, rollouts and reports by path, and how it misbehaves; `hang` is released at the end.

    Of a version in a rollout it says what `verdicts` has for it, else that the evidence is not enough; of one in an A/B
    test who does better, as `winners` has it.
    """

    port: int = 0
    token: str = ""
    settings: dict[str, ModelSettings] = field(default_factory=dict)
    rollouts: dict[str, ModelRollouts] = field(default_factory=dict)
    reports: dict[str, bytes] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    winners: dict[str, Literal["candidate", "stable"] | None] = field(default_factory=dict)
    queries: list[EvidenceQuery] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    status: int | None = None
    hang: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def report(self, found: DriftReport) -> None:
        """From now on, this is the report of its model."""
        self.reports[f"/v1/models/{found.namespace}/{found.name}/drift"] = found.model_dump_json().encode()


class _Handler(BaseHTTPRequestHandler):
    stub: ReportStub

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._behaves():
            if self.path.endswith("/rollouts"):
                self.stub.rollouts[self.path] = ModelRollouts.model_validate_json(body)
            else:
                self.stub.settings[self.path] = ModelSettings.model_validate_json(body)
            self._answer(204)

    def do_GET(self) -> None:
        if self._behaves():
            found = self._evidence() if "/evidence?" in self.path else self.stub.reports.get(self.path)
            self._answer(404 if found is None else 200, found or b"{}")

    def _evidence(self) -> bytes:
        query = EvidenceQuery.model_validate(dict(parse_qsl(urlsplit(self.path).query)))
        self.stub.queries.append(query)
        verdict = self.stub.verdicts.get(query.version, Verdict.INCONCLUSIVE)
        return an_evidence(verdict, query, winner=self.stub.winners.get(query.version)).model_dump_json().encode()

    def _behaves(self) -> bool:
        self.stub.asked.append(f"{self.command} {self.path}")
        if self.stub.hang:
            self.stub.released.wait(60)
            return False
        wrong = self.stub.token and self.headers.get("Authorization") != f"Bearer {self.stub.token}"
        status = 401 if wrong else self.stub.status
        if status is not None:
            self._answer(status, b'{"title": "no"}')
        return status is None

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def run_report_stub(port: int = 0, token: str = "") -> Iterator[ReportStub]:
    """Serve until the block ends; on a port of its own unless one is given."""
    stub = ReportStub(token=token)
    handler = type("Handler", (_Handler,), {"stub": stub})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    stub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
