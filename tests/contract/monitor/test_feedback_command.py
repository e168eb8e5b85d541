"""`modelloop feedback` against a monitor that runs: files of each kind, told whole, again, and in part refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from modelloop_cli.main import CLUSTER, LOCAL, build
from modelloop_cli.monitor_client import MonitorClient, MonitorRefused
from modelloop_core.wire.feedback import MOST_ITEMS
from support.monitor_process import MonitorProcess
from support.monitors import DIGEST, REFERENCE, example_post
from support.predictor_process import eventually

Feed = Callable[..., Any]


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitorProcess]:
    """A monitor that knows ten predictions of shop/churn for each test's name."""
    folder = tmp_path_factory.mktemp("monitor")
    with MonitorProcess(f"sqlite:///{folder / 'm.db'}", fold_seconds=0.05, join_seconds=0.05) as found:
        found.until_ready()
        assert httpx.put(f"{found.url}/v1/references/{DIGEST}", content=REFERENCE).status_code == 204
        yield found


@pytest.fixture
def ids(monitor: MonitorProcess, request: pytest.FixtureRequest) -> list[str]:
    """Ten request ids whose predictions are logged."""
    found = [f"{request.node.name}-{place}" for place in range(10)]
    logged = [{"request_id": name, "at": time.time(), "prediction": 0.75} for name in found]
    post = example_post(0, time.time(), source=request.node.name, predictions=logged)
    assert httpx.post(f"{monitor.url}/v1/profiles", json=post).status_code == 200
    return found


@pytest.fixture
def feed(monitor: MonitorProcess, tmp_path: Path) -> Feed:
    """Runs the command on a file of this name and content (or an address), as JSON."""

    def run(name: str, body: bytes | None, *options: str) -> Any:
        file = name
        if body is not None:
            (tmp_path / name).write_bytes(body)
            file = str(tmp_path / name)
        words = ("feedback", file, "--monitor", monitor.url, "--name", "churn", "-n", "shop", "-o", "json", *options)
        return CliRunner().invoke(build((*CLUSTER, *LOCAL)), words)

    return run


def _told(done: Any, code: int = 0) -> dict[str, Any]:
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _parquet(path: Path, columns: dict[str, Any]) -> bytes:
    pq.write_table(pa.table(columns), path)
    return path.read_bytes()


def _csv(ids: list[str]) -> bytes:
    lines = [f"{name},{place % 2},ignored" for place, name in enumerate(ids)]
    return "\n".join(["request_id,label,note", *lines]).encode()


def _jsonl(ids: list[str]) -> bytes:
    return "\n".join(
        json.dumps({"request_id": name, "label": place % 2 == 1}) for place, name in enumerate(ids)
    ).encode()


def _known(monitor: MonitorProcess, ids: list[str]) -> None:
    """Wait until the predictions are in the log: a label of an id without model is then taken."""

    def found() -> bool:
        body = {"request_id": ids[0], "label": 0}
        return bool(httpx.post(f"{monitor.url}/v1/feedback", json=body).json()["refused"] == {})

    eventually(found, "the predictions to be logged", monitor.describe)


def test_files_of_each_kind_say_the_same(monitor: MonitorProcess, feed: Feed, ids: list[str], tmp_path: Path) -> None:
    _known(monitor, ids)
    labels = [place % 2 for place in range(10)]

    assert _told(feed("a.csv", _csv(ids))) == {"rows": 10, "joined": 9, "waiting": 0, "already": 1, "refused": {}}
    assert _told(feed("a.jsonl", _jsonl(ids)))["already"] == 10
    columns = {"request_id": ids, "label": labels, "row": [0] * 10, "at": pa.array([0] * 10, pa.timestamp("s"))}
    assert _told(feed("a.parquet", _parquet(tmp_path / "b", columns)))["already"] == 10


def test_a_file_in_a_store_is_read_from_there(feed: Feed, ids: list[str], place: Any, monkeypatch: Any) -> None:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    (place.folder / "labels").mkdir(parents=True)
    (place.folder / "labels" / "day.csv").write_bytes(_csv(ids))
    uri = place.uri if "://" in place.uri else f"file://{place.uri}"

    assert _told(feed(f"{uri}/labels/day.csv", None))["rows"] == 10


def test_more_labels_than_one_post_takes_go_in_parts_and_rows_keep_their_number(feed: Feed, ids: list[str]) -> None:
    rows = [{"request_id": f"{ids[0]}-{place}", "label": 1} for place in range(MOST_ITEMS + 5)]
    again = {"request_id": rows[0]["request_id"], "label": 0}
    body = "\n".join(map(json.dumps, [*rows, again])).encode()

    found = _told(feed("a.jsonl", body), code=1)

    assert (found["rows"], found["waiting"]) == (MOST_ITEMS + 6, MOST_ITEMS + 5)
    assert list(found["refused"]) == [str(MOST_ITEMS + 6)]


def test_refused_rows_are_shown_to_people(monitor: MonitorProcess, feed: Feed, ids: list[str]) -> None:
    _known(monitor, ids)

    done = feed("a.csv", f"request_id,label\n{ids[1]},yes\n{ids[2]},1".encode(), "-o", "text")

    assert done.exit_code == 1
    assert "told shop/churn of 2 labels: 1 joined their predictions" in done.stdout
    assert "  row 1: a label of a binary model is 0, 1, true or false, not 'yes'" in done.stdout


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        pytest.param("a.csv", b"id,label\na,1", "has no column request_id, only id, label", id="another column"),
        pytest.param("a.csv", b"", "has no column request_id and no column label, only nothing", id="an empty file"),
        pytest.param("a.csv", b"request_id,label\n", "has no rows", id="no rows"),
        pytest.param("a.csv", b"request_id,label\na,1\nb,\n", "row 2 of 'a.csv' is no label: label", id="no label"),
        pytest.param("a.csv", b"request_id,label\n\xff,1", "cannot be read as CSV", id="no text"),
        pytest.param("a.csv", b"request_id,label,row\na,1,-1", "row 1 of 'a.csv' is no label: row", id="no row"),
        pytest.param("a.jsonl", b'{"request_id": "a", "label": 1}\n{"', "line 2 of 'a.jsonl' is not JSON", id="half"),
        pytest.param("a.jsonl", b"[1]", "line 1 of 'a.jsonl' is no JSON object", id="a list"),
        pytest.param("a.jsonl", b'{"request_id": "a", "label": NaN}', "row 1 of 'a.jsonl' is no label", id="no number"),
        pytest.param("a.jsonl", b"\xff", "is not UTF-8", id="no text in lines"),
        pytest.param("a.parquet", b"PAR1", "cannot be read as Parquet", id="no Parquet"),
        pytest.param("a.xlsx", b"", "ends in '.xlsx'", id="another kind"),
        pytest.param("missing.csv", None, "is no file that can be read", id="no file"),
    ],
)
def test_a_file_without_labels_is_refused_before_anything_is_told(
    feed: Feed, name: str, body: bytes | None, said: str
) -> None:
    done = feed(name, body)

    assert done.exit_code == 1
    assert said in json.loads(done.stderr)["error"]


def test_an_address_that_is_none_is_wrong_use(feed: Feed, tmp_path: Path) -> None:
    done = feed("a.csv", b"", "--monitor", "monitor:8080")

    assert done.exit_code == 2
    assert "begins with http:// or https://" in json.loads(done.stderr)["error"]


class _Answers(BaseHTTPRequestHandler):
    """Gives the answers of its server, one after the other."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status, headers, body = self.server.answers.pop(0)  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[HTTPServer]:
    """A server that gives what the test puts into its `answers`."""
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _post(server: HTTPServer, *answers: tuple[int, dict[str, str], bytes]) -> tuple[bytes, list[float]]:
    server.answers = list(answers)  # type: ignore[attr-defined]
    waited: list[float] = []
    client = MonitorClient(f"http://127.0.0.1:{server.server_port}", token="t", pause=waited.append)
    return client.post("/v1/feedback", {}), waited


def test_a_busy_monitor_is_asked_again_when_it_says(answering: HTTPServer) -> None:
    busy = (503, {"retry-after": "7"}, b"{}")

    assert _post(answering, busy, busy, (200, {}, b"done")) == (b"done", [7.0, 7.0])


def test_a_monitor_that_stays_busy_ends_the_command_with_its_words(answering: HTTPServer) -> None:
    with pytest.raises(MonitorRefused, match="answered 503: no room"):
        _post(answering, *[(503, {"retry-after": "0"}, b'{"detail": "no room"}')] * 5)


def test_what_will_not_pass_is_not_tried_again(answering: HTTPServer) -> None:
    with pytest.raises(MonitorRefused, match="answered 401: Unauthorized") as caught:
        _post(answering, (401, {}, b"<html>"))

    assert "--token" in caught.value.hint


def test_a_redirect_does_not_take_the_token_along(answering: HTTPServer) -> None:
    with pytest.raises(MonitorRefused, match="answered 302"):
        _post(answering, (302, {"location": "http://127.0.0.1:1/"}, b""))


def test_nobody_at_the_address_is_told(answering: HTTPServer) -> None:
    port = answering.server_port
    answering.shutdown()
    answering.server_close()
    waited: list[float] = []

    with pytest.raises(MonitorRefused, match=r"does not answer: .*refused"):
        MonitorClient(f"http://127.0.0.1:{port}", token=None, pause=waited.append).post("/", {})

    assert waited == [1.0, 2.0, 3.0, 4.0]
