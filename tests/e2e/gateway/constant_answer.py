"""The program in the test's pods: a constant answer that names its version, and an orderly end on SIGTERM."""

import http.server
import os
import pathlib
import signal
import tempfile
import threading

VERSION = os.environ["VERSION"]
BODY = b'{"prediction": 0.5, "model_version": "%s"}' % VERSION.encode()
counted = threading.Lock()
count = 0


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /predict, and tells at /count how often it was asked."""

    protocol_version = "HTTP/1.1"
    # One write per answer: headers and body in two packets would wait for Nagle's algorithm.
    wbufsize = 65536
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer(b"%d" % count if self.path == "/count" else b"ok")

    def do_POST(self) -> None:
        global count
        self.rfile.read(int(self.headers.get("content-length", 0)))
        with counted:
            count += 1
        self.answer(BODY)

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-model-version", VERSION)
        if draining.is_set():
            self.send_header("connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


draining = threading.Event()
server = http.server.ThreadingHTTPServer(("", 8000), Handler)
server.daemon_threads = True


def drain(*_: object) -> None:
    """Tell each client to go, then leave; Kubernetes took us out of the Service while preStop slept."""
    draining.set()
    threading.Timer(1.0, server.shutdown).start()


signal.signal(signal.SIGTERM, drain)
# Seen from the pod's shared process namespace, in which the test kills it as the kernel would.
pathlib.Path(tempfile.gettempdir(), "pid").write_text(str(os.getpid()))
server.serve_forever()
