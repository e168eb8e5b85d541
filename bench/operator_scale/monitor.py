"""A monitor that is well and knows no drift: `python -m bench.operator_scale.monitor PORT`.

Of versions in a rollout it says Passed, or what `PUT /verdicts/VERSION` has said since.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence, Verdict, VersionTraffic
from modelloop_core.wire.reports import DriftReport, Level

_VERDICTS: dict[str, Verdict] = {}


class Handler(BaseHTTPRequestHandler):
    """Answers what an operator asks."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Take settings and rollouts, and forget them; a verdict is kept."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/verdicts/"):
            _VERDICTS[self.path.rpartition("/")[2]] = Verdict(body.decode())
        self._answer(204, b"")

    def do_GET(self) -> None:
        """A report, or the evidence of a rollout."""
        asked = urlsplit(self.path)
        _, _, _, namespace, name, what = asked.path.split("/")
        found = _drift(namespace, name)
        if what == "evidence":
            found = _evidence(namespace, name, EvidenceQuery.model_validate(dict(parse_qsl(asked.query))))
        self._answer(200, found)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _drift(namespace: str, name: str) -> bytes:
    report = DriftReport(
        namespace=namespace,
        name=name,
        version="1.0.0",
        reference=None,
        window=None,
        verdict=Level.STABLE,
        generated=datetime.now(UTC),
    )
    return report.model_dump_json().encode()


def _evidence(namespace: str, name: str, query: EvidenceQuery) -> bytes:
    verdict, now = _VERDICTS.get(query.version, Verdict.PASSED), datetime.now(UTC)
    told = RolloutEvidence(
        namespace=namespace,
        name=name,
        verdict=verdict,
        message=f"{query.version}: {verdict}",
        since=query.since,
        until=now,
        interval_seconds=60,
        candidate=VersionTraffic(version=query.version),
        stable=VersionTraffic(version=query.against),
        generated=now,
    )
    return told.model_dump_json().encode()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
