"""`kubectl mlmodel drift` against an API server that passes requests on to a monitor, and at an address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fakes.monitor import a_report
from fakes.seen import NOW
from modelloop_cli.main import CLUSTER, LOCAL, build
from modelloop_core.wire.reports import Level
from support.api_server import ApiServer, run_api_server, write_kubeconfig
from support.report_stub import run_report_stub
from support.s3_server import free_port

MODEL = "/apis/modelloop.dev/v1alpha1/namespaces/shop/mlmodels/churn"
SERVICES = "/api/v1/services"
PROXY = "/api/v1/namespaces/ml/services/http:modelloop-monitor:8080/proxy"
REPORT = f"{PROXY}/v1/models/shop/churn/drift"
SERVICE = {"metadata": {"namespace": "ml", "name": "modelloop-monitor"}, "spec": {"ports": [{"port": 8080}]}}
INCIDENT = {"id": "1", "opened": NOW, "level": "drift", "features": ("AGEP",), "message": "AGEP: younger by 12 years"}
WINDOW = {"since": "2026-03-01T11:00:00Z", "until": "2026-03-01T12:00:00Z"}


def a_column(name: str, verdict: str, psi: float | None, **changes: Any) -> dict[str, Any]:
    counts = {"reference_n": 5000, "current_n": 1000, "reference_null": 0, "current_null": 50}
    return {"name": name, "part": "feature", "kind": "numeric", "verdict": verdict, "psi": psi, **counts, **changes}


COLUMNS = [
    a_column("quiet", "stable", 0.003),
    a_column("left-out", "drift", 9.0, role="ignore"),
    a_column("SEX", "moderate", 0.15),
    a_column("AGEP", "drift", 0.41, consecutive=3, unseen_levels=("x",)),
]
DRIFTED = a_report(Level.DRIFT, incident=INCIDENT, window=WINDOW, rows=1000, columns=COLUMNS)


@dataclass(frozen=True)
class Person:
    """Runs `kubectl mlmodel drift churn`."""

    folder: Path
    server: ApiServer

    def __call__(self, *words: str, **environment: str) -> Result:
        runner = CliRunner(env={"KUBECONFIG": str(self.folder / "config"), "MODELLOOP_MONITOR_URL": "", **environment})
        return runner.invoke(build((*LOCAL, *CLUSTER)), ["drift", "churn", *words])


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    with run_api_server() as server:
        write_kubeconfig(tmp_path / "config", "near", near=(server.url, "shop"))
        server.answers |= {
            MODEL: {"metadata": {"name": "churn", "namespace": "shop"}},
            SERVICES: {"items": [SERVICE]},
            REPORT: json.loads(DRIFTED.model_dump_json()),
        }
        yield Person(tmp_path, server)


def test_drift_is_shown_the_worst_first_and_is_exit_code_1(person: Person) -> None:
    done = person()
    assert done.exit_code == 1, done.output
    head, opened, told, _, *table = done.stdout.splitlines()
    assert head == "shop/churn: drift in the window 2026-03-01 11:00 to 12:00 UTC (1,000 rows of 1.0.0)"
    assert opened == "open since 2026-03-01 12:00 UTC (drift): AGEP"
    assert told == INCIDENT["message"]
    assert [line.split()[0] for line in table] == ["NAME", "AGEP", "SEX", "quiet", "left-out"]
    assert table[1].split()[:4] == ["AGEP", "drift", "3", "0.41"]
    assert "5.0%" in table[1]
    assert "unseen: x" in table[1]
    assert "ignored" in table[4]


def test_json_is_the_report(person: Person) -> None:
    done = person("-o", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == json.loads(DRIFTED.model_dump_json())


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(a_report(Level.STABLE, window=WINDOW), id="nothing moved"),
        pytest.param(a_report(Level.DRIFT, window=WINDOW), id="a first window of drift"),
        pytest.param(a_report(Level.DRIFT, incident={**INCIDENT, "level": "moderate"}), id="worth a look"),
        pytest.param(a_report(Level.STABLE, incident={**INCIDENT, "closed": NOW}), id="drift that is over"),
    ],
)
def test_what_is_no_lasting_drift_is_exit_code_0(person: Person, report: Any) -> None:
    person.server.answers[REPORT] = json.loads(report.model_dump_json())
    assert person().exit_code == 0


def test_an_address_is_asked_directly_and_shown_the_token(person: Person) -> None:
    with run_report_stub(token="secret") as stub:
        stub.report(DRIFTED)
        assert person("--monitor", stub.url, MODELLOOP_MONITOR_TOKEN="secret").exit_code == 1
        refused = person("--monitor", stub.url)
    assert SERVICES not in person.server.asked
    assert "answered 401" in refused.stderr
    assert "MODELLOOP_MONITOR_TOKEN" in refused.stderr


PROBLEMS: list[Any] = [
    pytest.param({SERVICES: {"items": []}}, "no monitor", "--monitor", id="no monitor"),
    pytest.param({SERVICES: {"items": [SERVICE, SERVICE]}}, "2 monitors", "--monitor", id="two monitors"),
    pytest.param({REPORT: {"verdict": "awful"}}, "no monitor of this release", "--monitor", id="another thing"),
    pytest.param({REPORT: (503, {"title": "no"})}, "answered 503", "--monitor", id="a monitor that is away"),
    pytest.param({REPORT: (404, {"title": "no"})}, "no report of shop/churn yet", "window", id="no report yet"),
]


@pytest.mark.parametrize(("answers", "told", "hint"), PROBLEMS)
def test_what_is_wrong_is_a_sentence_and_a_hint(person: Person, answers: dict[str, Any], told: str, hint: str) -> None:
    person.server.answers |= answers
    done = person()
    assert done.exit_code == 1
    error, advice = done.stderr.splitlines()
    assert told in error
    assert hint in advice


def test_who_may_not_list_services_is_told_what_to_give(person: Person) -> None:
    person.server.forbid(SERVICES, "services")
    done = person()
    assert (done.exit_code, "needs permission" in done.stderr, "--monitor" in done.stderr) == (1, True, True)


def test_nobody_at_the_address_is_told(person: Person) -> None:
    done = person("--monitor", f"http://127.0.0.1:{free_port()}")
    assert (done.exit_code, "gave no report" in done.stderr) == (1, True)


def test_an_address_that_is_none_is_wrong_use(person: Person) -> None:
    assert person("--monitor", "monitor:8080").exit_code == 2
