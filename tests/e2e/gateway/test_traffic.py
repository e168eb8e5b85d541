"""What the rest of ModelLoop rests on: exact weights, instant shifts, silent mirrors, no request lost."""

import contextlib
import math
import time
from collections.abc import Callable

from e2e.gateway import kube
from e2e.gateway.serving import Serving

Figures = Callable[..., None]
# An old answer to a request sent this long after the route was written would make a rollback a promise we cannot keep.
OLD_ANSWERS_SECONDS = 0.5


def test_weights_are_exact(serving: Serving, figures: Figures) -> None:
    serving.serves({"v1": 90, "v2": 10})
    with serving.load() as load:
        load.wait_for(2000)
    total, second = sum(load.versions.values()), load.versions["v2"]
    # Five standard deviations of a binomial: one false alarm in two million runs.
    margin = 5 * math.sqrt(total * 0.1 * 0.9)
    figures(requests=total, second=second, share=second / total, rate=load.rate)
    assert not load.failed
    assert abs(second - 0.1 * total) < margin


def test_a_shift_takes_effect_at_once_and_loses_nothing(serving: Serving, figures: Figures) -> None:
    serving.serves({"v1": 100, "v2": 0})
    with serving.load() as load:
        for target, other in (("v2", "v1"), ("v1", "v2")) * 3:
            started = time.monotonic()
            serving.shift({target: 100, other: 0})
            written = time.monotonic()
            load.wait_for(500)
            late = [
                answer.sent - written for answer in load.answers if answer.sent > written and answer.version == other
            ]
            figures(to=target, write=written - started, old_answers=len(late), last_old=max(late, default=0.0))
            assert max(late, default=0.0) < OLD_ANSWERS_SECONDS
    figures(requests=len(load.answers), failed=len(load.failed), rate=load.rate)
    assert not load.failed


def test_a_mirror_sees_its_share_and_callers_never_see_it(serving: Serving, figures: Figures) -> None:
    serving.serves({"v1": 100, "v2": 0}, mirror=("shadow", 20))
    with serving.load() as load:
        load.wait_for(500)
        before, answered = mirrored(serving), len(load.answers)
        load.wait_for(2000)
        seen, sent = mirrored(serving) - before, len(load.answers) - answered
    margin = 5 * math.sqrt(sent * 0.2 * 0.8) + 0.02 * sent  # and the requests between the two countings
    figures(requests=sent, mirrored=seen, share=seen / sent)
    assert not load.failed
    assert set(load.versions) == {"v1"}
    assert abs(seen - 0.2 * sent) < margin


def test_a_killed_pod_costs_no_request(serving: Serving, figures: Figures) -> None:
    serving.serves({"v1": 100, "v2": 0})
    pod = pods(serving, "v1")[0]
    with serving.load() as load:
        kill(serving, pod)
        load.wait_for(2000)
        kube.eventually("the killed container runs again", lambda: restarted(serving, pod))
        load.wait_for(500)
    figures(requests=len(load.answers), failed=len(load.failed), slowest=load.slowest, rate=load.rate)
    assert not load.failed


def test_a_rolling_restart_costs_no_request(serving: Serving, figures: Figures) -> None:
    serving.serves({"v1": 100, "v2": 0})
    with serving.load() as load:
        serving.cluster.run("rollout", "restart", "deployment/v1", "-n", serving.namespace)
        serving.cluster.run("rollout", "status", "deployment/v1", "-n", serving.namespace, "--timeout=60s")
        kube.eventually("old pods are gone", lambda: len(pods(serving, "v1")) == 2 or pods(serving, "v1"))
        load.wait_for(500)
    figures(requests=len(load.answers), failed=len(load.failed), slowest=load.slowest, rate=load.rate)
    assert not load.failed


def pods(serving: Serving, version: str) -> list[str]:
    """Names of a version's pods, ending ones included."""
    found = serving.cluster.get("pods", "-n", serving.namespace, "-l", f"app={version}")
    return [pod["metadata"]["name"] for pod in found["items"]]


def kill(serving: Serving, pod: str) -> None:
    """SIGKILL to the server, as the kernel's out-of-memory killer does it."""
    code = (
        "import os, pathlib, signal, tempfile; "
        "os.kill(int(pathlib.Path(tempfile.gettempdir(), 'pid').read_text()), signal.SIGKILL)"
    )
    # The runtime ends the messenger with the container: its exit code says nothing, the restart afterwards does.
    with contextlib.suppress(AssertionError):
        serving.cluster.run("exec", pod, "-n", serving.namespace, "--", "python3", "-c", code)


def restarted(serving: Serving, pod: str) -> object:
    """True when the container came back after its end."""
    status = serving.cluster.get("pod", pod, "-n", serving.namespace)["status"]["containerStatuses"][0]
    return True if status["restartCount"] >= 1 and status["ready"] else status


def mirrored(serving: Serving) -> int:
    """How many requests the mirror's pod was sent, asked through the API server, not the gateway."""
    path = f"/api/v1/namespaces/{serving.namespace}/services/shadow:http/proxy/count"
    return int(serving.cluster.run("get", "--raw", path))
