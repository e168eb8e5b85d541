"""`kubectl mlmodel` as a person runs it, against an API server of canned answers: what it says, and its exit code."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from modelloop_cli.cluster.watching import Look, coloured, frame
from modelloop_cli.main import CLUSTER, LOCAL, build
from support.api_server import UNKNOWN_PATH, ApiServer, run_api_server, write_kubeconfig

GROUP = "/apis/modelloop.dev/v1alpha1"
LEASES = "/apis/coordination.k8s.io/v1/leases"
SECRET = "/api/v1/namespaces/shop/secrets/store"
PODS = "/api/v1/namespaces/shop/pods"
MODEL = f"{GROUP}/namespaces/shop/mlmodels/churn"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1"
GATEWAY = f"{GATEWAYS}/namespaces/shop/gateways/edge"


def now(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def lease(namespace: str, holder: str, **ago: float) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": "modelloop"},
        "spec": {"holderIdentity": holder, "renewTime": now(**ago)},
    }


def left_behind() -> dict[str, Any]:
    return lease("old", "gone", days=3)


def model(*, generation: int = 1, observed: int = 1) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "churn",
            "namespace": "shop",
            "generation": generation,
            "resourceVersion": "1",
            "creationTimestamp": now(days=1),
            "managedFields": [{"time": now(seconds=90), "fieldsV1": {"f:spec": {}}}],
        },
        "spec": {
            "registry": {"uri": "s3://models", "secretName": "store"},
            "traffic": {"gateway": {"parentRefs": [{"name": "edge"}]}},
        },
        "status": {"observedGeneration": observed, "phase": "Serving", "message": "1.0.0 serves"},
    }


@dataclass(frozen=True)
class Person:
    """Runs the program with a kubeconfig of two contexts, `near` being the current one."""

    folder: Path
    server: ApiServer

    def __call__(self, *words: str, kubeconfig: str = "config") -> Result:
        return CliRunner(env={"KUBECONFIG": str(self.folder / kubeconfig)}).invoke(build((*LOCAL, *CLUSTER)), words)

    def findings(self) -> dict[str, dict[str, Any]]:
        told = json.loads(self("doctor", "churn", "-o", "json").stdout)
        return {finding["check"]: finding for finding in told["findings"]}


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    with run_api_server() as server:
        write_kubeconfig(tmp_path / "config", "near", near=(server.url, "shop"), far=(server.url, "attic"))
        server.answers |= {
            GROUP: {"resources": [{"name": "mlmodels"}, {"name": "mlmodels/status"}]},
            LEASES: {"items": [lease("ml", "operator-0", seconds=3)]},
            MODEL: model(),
            SECRET: {"data": {"AWS_ACCESS_KEY_ID": "YQ==", "AWS_SECRET_ACCESS_KEY": "Yg=="}},
            GATEWAYS: {"resources": []},
            GATEWAY: {"status": {"conditions": [{"type": "Programmed", "status": "True"}]}},
            PODS: {"items": []},
        }
        yield Person(tmp_path, server)


@pytest.mark.parametrize(
    ("options", "namespace"),
    [((), "shop"), (("--context", "far"), "attic"), (("--context", "far", "-n", "cellar"), "cellar")],
    ids=["the current context's", "that of the context asked for", "the one asked for"],
)
def test_the_namespace_is(person: Person, options: tuple[str, ...], namespace: str) -> None:
    person("status", "churn", *options)
    assert person.server.asked == [f"{GROUP}/namespaces/{namespace}/mlmodels/churn"]


@pytest.mark.parametrize("namespace", ["a/b", "Shop", "a.b"])
def test_a_namespace_that_can_be_none_is_wrong_use(person: Person, namespace: str) -> None:
    done = person("status", "churn", "-n", namespace)
    assert done.exit_code == 2, done.output
    assert "is no name that Kubernetes gives a namespace" in done.stderr
    assert not person.server.asked


def test_a_context_is_enough_where_none_is_current(person: Person) -> None:
    write_kubeconfig(person.folder / "other", None, far=(person.server.url, "shop"))
    assert person("status", "churn", "--context", "far", kubeconfig="other").exit_code == 0


def test_doctor_finds_a_healthy_mlmodel_well(person: Person) -> None:
    done = person("doctor", "churn")
    assert (done.exit_code, "PROBLEM" in done.stdout) == (0, False), done.stdout + done.stderr
    assert "1.0.0 serves" in done.stdout


def test_doctor_says_that_a_spec_waits_for_an_operator(person: Person) -> None:
    person.server.answers[MODEL] = model(generation=3, observed=2)
    done = person("doctor", "churn")
    assert done.exit_code == 1
    line = next(line for line in done.stdout.splitlines() if line.startswith("condition"))
    assert "PROBLEM" in line
    assert "no operator has looked at generation 3 yet (waiting 9" in line
    assert "does its watchNamespaces include shop?" in line


@pytest.mark.parametrize(
    ("stable", "reason", "exit_code"),
    [(None, "FailedCreate", 1), (None, "Unschedulable", 1), ("1.0.0", "FailedCreate", 1), ("1.0.0", "Starting", 0)],
    ids=["first pods refused", "first pods wait", "new pods refused beside live ones", "new pods start"],
)
def test_doctor_says_what_keeps_a_versions_pods(
    person: Person, stable: str | None, reason: str, exit_code: int
) -> None:
    found = model()
    why = {"type": "CandidateReady", "status": "False", "reason": reason, "message": "no PriorityClass nope"}
    why["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    live = {"stable": {"version": stable}} if stable else {}
    found["status"] = {**found["status"], **live, "conditions": [why]}
    person.server.answers[MODEL] = found
    done = person("doctor", "churn")
    assert done.exit_code == exit_code, done.stdout
    assert (f"CandidateReady: {reason}: no PriorityClass nope" in done.stdout) == bool(exit_code)


@pytest.mark.parametrize(
    ("leases", "told"),
    [
        (lambda: [left_behind(), lease("ml", "here", seconds=3)], [(True, "here leads (Lease ml/modelloop)")]),
        (lambda: [lease("ml", "here", seconds=3), left_behind()], [(True, "here leads (Lease ml/modelloop)")]),
        (lambda: [left_behind(), lease("ml", "", seconds=1)], [(False, "no operator holds Lease ml/modelloop")]),
        (lambda: [left_behind(), lease("ml", "late", minutes=5)], [(False, "late renewed Lease ml/modelloop 30")]),
        (
            lambda: [lease("two", "other", seconds=5), lease("ml", "here", seconds=3)],
            [(True, "here leads (Lease ml/modelloop)"), (None, "other leads as well (Lease two/modelloop)")],
        ),
        (lambda: [lease("ml", "")], [(False, "no operator holds Lease ml/modelloop")]),
        (list, [(False, "no operator holds the lease")]),
    ],
    ids=["left behind first", "left behind last", "newer one released", "all late", "two at work", "released", "none"],
)
def test_doctor_judges_by_the_lease_that_was_renewed_last(
    person: Person, leases: Callable[[], list[dict[str, Any]]], told: list[tuple[bool | None, str]]
) -> None:
    person.server.answers[LEASES] = {"items": leases()}
    findings = json.loads(person("doctor", "churn", "-o", "json").stdout)["findings"]
    found = [(finding["well"], finding["found"]) for finding in findings if finding["check"] == "operator"]
    assert [well for well, _ in found] == [well for well, _ in told]
    assert all(words in said for (_, words), (_, said) in zip(told, found, strict=True)), found


@pytest.mark.parametrize(
    ("path", "check"),
    [
        (GROUP, "resource"),
        (LEASES, "operator"),
        (SECRET, "secret"),
        (GATEWAYS, "gateway"),
        (GATEWAY, "gateway"),
        (PODS, "pod"),
        (MODEL, "model"),
    ],
)
def test_doctor_says_of_what_it_may_not_look_at_that_it_cannot_tell(person: Person, path: str, check: str) -> None:
    person.server.forbid(path, "things")
    finding = person.findings()[check]
    assert finding["well"] is None
    assert finding["found"].startswith("cannot tell: ")
    assert 'needs permission: things is forbidden: User "ann"' in finding["found"]


def test_what_cannot_be_told_is_no_problem(person: Person) -> None:
    person.server.forbid(SECRET, "secrets")
    done = person("doctor", "churn")
    assert done.exit_code == 0
    assert next(line for line in done.stdout.splitlines() if line.startswith("secret")).split()[1] == "?"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ((404, UNKNOWN_PATH), "this cluster has no MLModels"),
        ((404, {"message": "not found", "details": {"name": "churn"}}), "MLModel shop/churn does not exist"),
        ({**model(), "spec": {"registry": {"uri": "s3://models"}, "later": 1}}, "spec.later: Extra inputs"),
    ],
    ids=["no such kind", "no such MLModel", "a field of a later release"],
)
def test_doctor_ends_with_what_it_found_where_there_is_no_mlmodel_to_look_at(
    person: Person, answer: Any, found: str
) -> None:
    person.server.answers[MODEL] = answer
    findings = person.findings()
    assert list(findings) == ["resource", "operator", "model"]
    assert findings["model"]["well"] is False
    assert found in findings["model"]["found"]
    assert findings["model"]["advice"]


@pytest.mark.parametrize("verb", ["status", "refresh", "retry"])
@pytest.mark.parametrize(
    ("answer", "error", "hint"),
    [
        ((404, UNKNOWN_PATH), "this cluster has no MLModels", "install charts/modelloop-crds"),
        ((404, {"message": "m", "details": {}}), "MLModel shop/churn does not exist", "kubectl get mlmodels -A"),
        ((403, {"message": "ann cannot"}), "MLModel shop/churn needs permission: ann cannot", "grants rights"),
        ((401, {"message": "Unauthorized"}), "does not know who asks", "renew the credentials"),
        ((500, "<html>"), "MLModel shop/churn: the API server answered 500", ""),
    ],
    ids=["no such kind", "no such MLModel", "no permission", "no credentials", "a fault"],
)
def test_a_refusal_of_the_api_server_is_a_sentence(
    person: Person, verb: str, answer: Any, error: str, hint: str
) -> None:
    person.server.answers[MODEL] = answer
    _assert_refused(person(verb, "churn"), error, hint)


@pytest.mark.parametrize("verb", ["status", "doctor"])
@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, "there is no kubeconfig at"),
        ("{", "cannot be used"),
        ("just words", "cannot be used"),
        ("{apiVersion: v1, kind: Config}", "cannot be used"),
        ("{current-context: a, contexts: [{name: a, context: {cluster: b}}], clusters: []}", "cannot be used"),
    ],
    ids=["absent", "no YAML", "a text", "empty", "a context without a cluster"],
)
def test_a_kubeconfig_of_no_use_is_named(person: Person, verb: str, text: str | None, error: str) -> None:
    if text is not None:
        (person.folder / "other").write_text(text)
    refused = person(verb, "churn", kubeconfig="other")
    _assert_refused(refused, error, "set KUBECONFIG")
    assert str(person.folder / "other") in refused.stderr


def test_a_context_that_is_not_in_the_kubeconfig_is_named(person: Person) -> None:
    _assert_refused(person("status", "churn", "--context", "moon"), "moon", "kubectl config get-contexts")


@pytest.mark.parametrize("verb", ["status", "doctor"])
def test_a_cluster_that_does_not_answer_is_named_without_python(person: Person, verb: str) -> None:
    write_kubeconfig(person.folder / "other", "gone", gone=("http://127.0.0.1:1", None))
    refused = person(verb, "churn", kubeconfig="other")
    _assert_refused(refused, "API server at http://127.0.0.1:1 does not answer: ", "is the cluster up?")
    assert "object at 0x" not in refused.stderr


@pytest.mark.parametrize("verb", ["status", "doctor"])
def test_a_server_that_is_no_api_server_is_named(person: Person, verb: str) -> None:
    for path in (MODEL, GROUP):
        person.server.answers[path] = (200, "<html>")
    _assert_refused(person(verb, "churn"), "is no Kubernetes API server", "correct the server")


@dataclass
class Desk:
    """An MLModel on which people's requests are written, and an operator that looks at it every third time it is read.

    `meanwhile` is another person's request that is written between the next read and the next write.
    """

    written: str = ""
    meanwhile: str = ""
    operator_runs: bool = True
    answered: list[str] = field(default_factory=list)
    reads: int = 0
    revision: int = 1

    def __call__(self, method: str, body: Any) -> Any:
        if method == "PATCH":
            return self._write(body["metadata"])
        self.reads += 1
        if self.operator_runs and self.written and self.reads % 3 == 0:
            self.answered.append(json.loads(self.written)["id"])
        return self._model()

    def _write(self, metadata: dict[str, Any]) -> Any:
        if self.meanwhile:
            self.written, self.meanwhile = self.meanwhile, ""
            self.revision += 1
        if metadata["resourceVersion"] != str(self.revision):
            return 409, {"message": "the object has been modified", "reason": "Conflict"}
        self.written = metadata["annotations"]["modelloop.dev/request"]
        self.revision += 1
        return self._model()

    def _model(self) -> dict[str, Any]:
        found = model()
        annotations = {"modelloop.dev/request": self.written} if self.written else {}
        found["metadata"] |= {"resourceVersion": str(self.revision), "annotations": annotations}
        if self.answered:
            last = {"id": self.answered[-1], "verb": "v", "outcome": "Done", "message": f"answer {len(self.answered)}"}
            found["status"]["handledRequest"] = last
        return found


EARLIER = json.dumps({"id": "1", "verb": "retry", "by": "bob"})


@pytest.mark.parametrize(
    ("desk", "before"),
    [
        (Desk(), []),
        (Desk(written=EARLIER, answered=["1"]), ["1"]),
        (Desk(written=EARLIER), ["1"]),
        (Desk(meanwhile=EARLIER), ["1"]),
    ],
    ids=["the first", "after an answered one", "while one waits", "in the moment of another"],
)
def test_a_request_takes_no_other_ones_place(person: Person, desk: Desk, before: list[str]) -> None:
    person.server.answers[MODEL] = desk
    done = person("refresh", "churn")
    mine = json.loads(desk.written)
    assert (done.exit_code, done.stderr) == (0, "")
    assert list(dict.fromkeys(desk.answered)) == [*before, mine["id"]]
    assert mine["verb"] == "refresh"
    assert done.stdout.startswith("done: answer ")


@pytest.mark.parametrize(
    ("text", "told"),
    [(EARLIER, "'retry' by bob still waits"), ("refresh", "the request 'refresh' still waits")],
    ids=["of a person", "that cannot be read"],
)
def test_a_request_is_refused_while_another_one_stays_unanswered(person: Person, text: str, told: str) -> None:
    desk = person.server.answers[MODEL] = Desk(written=text, operator_runs=False)
    _assert_refused(person("retry", "churn", "--timeout", "0.5"), f"'retry' was not asked, because {told}", "doctor")
    assert desk.written == text


def test_an_operator_that_does_not_answer_is_waited_for_only_so_long(person: Person) -> None:
    person.server.answers[MODEL] = Desk(operator_runs=False)
    refused = person("refresh", "churn", "--timeout", "0.5")
    _assert_refused(refused, "has not answered 'refresh' within 0.5 s", "kubectl mlmodel doctor churn")


def test_an_answer_that_was_followed_at_once_by_another_one_is_still_seen(person: Person) -> None:
    class Hurried(Desk):
        def _write(self, metadata: dict[str, Any]) -> Any:
            answer = super()._write(metadata)
            mine = {"id": json.loads(self.written)["id"], "verb": "refresh", "outcome": "Done", "message": "for me"}
            self.written = json.dumps({**json.loads(EARLIER), "after": [mine]})
            self.answered = ["1"]
            return answer

    person.server.answers[MODEL] = Hurried(operator_runs=False)
    assert person("refresh", "churn").stdout == "done: for me\n"


def test_a_request_carries_along_the_answer_that_it_follows(person: Person) -> None:
    desk = person.server.answers[MODEL] = Desk(written=EARLIER, answered=["1"])
    assert person("refresh", "churn").exit_code == 0
    assert [answer["id"] for answer in json.loads(desk.written)["after"]] == ["1"]


def test_a_request_that_was_overwritten_by_other_means_is_not_waited_for(person: Person) -> None:
    class Overwritten(Desk):
        def _write(self, metadata: dict[str, Any]) -> Any:
            answer = super()._write(metadata)
            self.written = EARLIER
            return answer

    person.server.answers[MODEL] = Overwritten(operator_runs=False)
    _assert_refused(person("refresh", "churn"), "'retry' by bob took the place of 'refresh'", "ask again")


def _assert_refused(refused: Result, error: str, hint: str) -> None:
    assert refused.exit_code == 1, refused.stdout + refused.stderr
    first, *rest = refused.stderr.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert hint in " ".join(rest)
    assert "Traceback" not in refused.stderr
    assert "unexpected" not in refused.stderr


def test_status_shows_the_numbers_of_a_rollout(person: Person) -> None:
    figures = {
        "candidate": {"requests": 1234, "errorRate": 0.031, "latencyP95": 0.12, "slowShare": 0.02},
        "stable": {"requests": 23000, "errorRate": 0.001},
        "predictionPSI": 0.03,
        "compared": [{"metric": "accuracy", "candidate": 0.91, "stable": 0.9}],
        "experiment": {
            "metric": "clicks",
            "candidate": 0.12,
            "stable": 0.1,
            "difference": 0.02,
            "low": 0.01,
            "high": 0.03,
            "winner": "candidate",
        },
    }
    rollout = {
        "strategy": "AB", "startedAt": "2026-03-01T12:00:00Z", "advancing": False, "verdict": "Passed",
        "waitsFor": "ABRunning", "figures": figures,
    }  # fmt: skip
    found = model()
    found["spec"] = {**found.get("spec", {}), "rollout": {"strategy": "AB", "ab": {"metric": "clicks", "split": 50}}}
    blocks = {"stable": {"version": "1.0.0"}, "candidate": {"version": "1.1.0", "requestedWeight": 50}}
    found["status"] |= {**blocks, "rollout": rollout}
    person.server.answers[MODEL] = found
    said = person("status", "churn").stdout

    assert "rollout: 1.1.0 at 50 %, an A/B test on clicks" in said
    assert "1.1.0      1,234 requests, 3.1 % failed, 95 % within 0.12 s, 2 % too slow" in said
    assert "1.0.0      23,000 requests, 0.1 % failed" in said
    assert "answers    PSI 0.030" in said
    assert "accuracy   0.91 against 0.9" in said
    assert "clicks     0.12 against 0.1, difference +0.02 (+0.01 to +0.03)  A/B: the new version is better" in said


def in_rollout(**rollout: Any) -> dict[str, Any]:
    """1.1.0 holds 30 % beside 1.0.0, and two rollouts were before it."""
    usual = {
        "strategy": "Canary",
        "startedAt": "2026-03-01T12:00:00Z",
        "stepIndex": 1,
        "advancing": False,
        "verdict": "Inconclusive",
        "evidence": "not enough evidence yet about ErrorRate",
        "waitsFor": "HoldingStep",
        "until": "2026-03-01T13:00:00Z",
        "steps": [
            {"weight": 5, "since": "2026-03-01T12:01:00Z", "verdict": "Passed"},
            {"weight": 30, "since": "2026-03-01T12:30:00Z", "verdict": "Inconclusive"},
        ],
        "asked": [{"verb": "pause", "by": "ann", "at": "2026-03-01T12:40:00Z"}],
    }
    found = model()
    found["spec"] = {**found["spec"], "rollout": {"steps": [{"weight": 5}, {"weight": 30}]}}
    found["status"] |= {
        "stable": {"version": "1.0.0", "readyReplicas": 2, "requestedWeight": 70, "effectiveWeight": 70},
        "candidate": {"version": "1.1.0", "readyReplicas": 1, "requestedWeight": 30, "effectiveWeight": 30},
        "rollout": {**usual, **rollout},
        "pastRollouts": [
            past("1.0.0", "0.9.0", "Promoted", "RolloutPassed", "1.0.0 has held every step", 5, 100),
            past("1.0.1", "1.0.0", "RolledBack", "Aborted", "1.0.1 was taken back", 5, by="bob"),
        ],
        "history": [{"version": "1.0.0", "from": "2026-02-01T12:00:00Z", "reason": "RolloutPassed"}],
    }
    return found


def past(
    version: str, against: str, outcome: str, reason: str, message: str, *weights: int, by: str = ""
) -> dict[str, Any]:
    begin, end = "2026-02-01T11:00:00Z", "2026-02-01T12:00:00Z"
    steps = [{"weight": weight, "since": begin, "verdict": "Passed"} for weight in weights]
    asked = [{"verb": "abort", "by": by, "at": end}] if by else []
    return {
        "version": version,
        "against": against,
        "outcome": outcome,
        "reason": reason,
        "message": message,
        "strategy": "Canary",
        "from": begin,
        "until": end,
        "steps": steps,
        "asked": asked,
    }


def test_status_says_how_far_a_rollout_is_and_what_it_waits_for(person: Person) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=299)).strftime("%Y-%m-%dT%H:%M:%SZ")
    person.server.answers[MODEL] = in_rollout(until=soon)
    said = person("status", "churn").stdout
    assert "rollout: 1.1.0 at 30 %, holding step 2 of 3 (5 → 30 → 100)" in said
    assert "shares so far: 5 % ✓ → 30 % …" in said
    assert "verdict: Inconclusive: not enough evidence yet about ErrorRate" in said
    assert f"waits for: HoldingStep, until {soon[:10]} {soon[11:19]} UTC (in 4m)" in said
    assert "asked: pause by ann" in said


def test_history_says_how_rollouts_ended_why_and_who_asked(person: Person) -> None:
    person.server.answers[MODEL] = in_rollout()
    lines = person("history", "churn").stdout.splitlines()
    heads = next(number for number, line in enumerate(lines) if line.startswith("VERSION"))
    present, aborted, promoted = (" ".join(line.split()) for line in lines[heads + 1 : heads + 4])
    began = "2026-03-01 12:00:00"
    assert present == f"1.1.0 1.0.0 {began} - 5 % ✓ → 30 % … under way HoldingStep (pause by ann)"
    times = "2026-02-01 11:00:00 2026-02-01 12:00:00"
    assert aborted == f"1.0.1 1.0.0 {times} 5 % ✓ RolledBack Aborted: 1.0.1 was taken back (abort by bob)"
    assert promoted.startswith(f"1.0.0 0.9.0 {times} 5 % ✓ → 100 % ✓ Promoted RolloutPassed: 1.0.0 has held")
    assert "versions that were live, newest first:" in lines


def test_history_is_a_document_too(person: Person) -> None:
    person.server.answers[MODEL] = in_rollout()
    told = json.loads(person("history", "churn", "-o", "json").stdout)
    assert set(told) == {"name", "namespace", "rollout", "pastRollouts", "history"}
    assert [(one["version"], one["outcome"]) for one in told["pastRollouts"]] == [
        ("1.0.0", "Promoted"),
        ("1.0.1", "RolledBack"),
    ]
    assert told["history"][0]["from"] == "2026-02-01T12:00:00Z"


def test_history_of_an_mlmodel_without_one_says_so(person: Person) -> None:
    assert "no version was rolled out beside another one yet" in person("history", "churn").stdout


def test_watch_shows_shares_as_bars_and_each_change_once(person: Person) -> None:
    weights = iter((5, 5, 50, 50))

    def answer(_method: str, _body: Any) -> dict[str, Any]:
        weight = next(weights, 50)
        found = in_rollout(until="2126-03-01T13:00:00Z")
        for role, share in (("stable", 100 - weight), ("candidate", weight)):
            found["status"][role]["effectiveWeight"] = share
        return found

    person.server.answers[MODEL] = answer
    done = person("watch", "churn", "--for", "1", "--every", "0.2")
    assert done.exit_code == 0, done.output
    bars = [line for line in done.stdout.splitlines() if line.startswith("candidate")]
    assert [(line.count("█"), line.split("░")[-1].split()[0]) for line in bars] == [(2, "5"), (15, "50")]
    assert max(len(line) for line in bars) < 80


def test_watch_on_a_terminal_colours_what_words_say_too() -> None:
    found = in_rollout(verdict="Failed", evidence="3.1 % of 400 requests failed")
    found["status"]["conditions"] = [
        {"type": "Stalled", "status": "True", "reason": "X", "message": "y", "lastTransitionTime": now(days=1)}
    ]
    lines = frame(Look(found), datetime.now(UTC))
    text = coloured(lines)
    assert text.plain == "\n".join(lines)
    styled = {text.plain[span.start : span.end].split("█")[0].strip(): str(span.style) for span in text.spans}
    assert styled["verdict: Failed"] == "bold red"
    assert styled["live       1.0.0"] == "green"
    assert styled["candidate  1.1.0"] == "cyan"
    assert styled["! Stalled: X: y"] == "red"


def test_watch_goes_on_when_the_api_server_is_away_for_a_while(person: Person) -> None:
    asked = itertools.count()

    def answer(_method: str, _body: Any) -> dict[str, Any]:
        # The client's library tries each request four times.
        if next(asked) in range(2, 10):
            raise ConnectionResetError("restarting")
        return in_rollout()

    person.server.answers[MODEL] = answer
    done = person("watch", "churn", "--for", "1.5", "--every", "0.2")
    assert done.exit_code == 0, done.output
    lost = [line for line in done.stdout.splitlines() if line.startswith("! the API server at")]
    assert len(lost) == 1
    assert lost[0].endswith("; looking again")
