"""The steps of the demo, each small, each saying what it waits for."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from examples.employment import census
from examples.employment.train import VARIANTS, Trained, publish_trained, train
from hack.demo import witness
from hack.demo.cluster import DemoFailed
from hack.demo.damage import publish_damaged
from hack.demo.model import EXAMPLE, NAMESPACE, WINDOW_SECONDS, Model, failure_of, message_of, not_serving
from hack.demo.monitor import Monitor
from hack.demo.people import LAUNCHED, OPENED, all_people, launch_people
from hack.demo.rollouts import Rollouts
from hack.demo.screen import Screen
from hack.demo.traffic import OpenInference, Predict, Traffic

from modelloop_core.wire.reports import Interval, Level

FIRST, SECOND, WORSE, DAMAGED = "1.0.0", "1.1.0", "1.2.0", "1.3.0"
_VERSION_SECONDS, _POD_SECONDS, _WINDOW_SECONDS = 180.0, 120.0, 180.0


class Story:
    """What the steps share: the model, the screen, the trained versions and the stream of requests."""

    def __init__(self, model: Model, screen: Screen, records: pd.DataFrame) -> None:
        protocols = (Predict(model.url), OpenInference(model.infer_url))
        self.traffic = Traffic(protocols, launch_people(records), LAUNCHED)
        self.promoted: dict[str, Any] = {}
        self.taken_back: dict[str, Any] = {}
        self.refused: dict[str, str] = {}
        self.requests_per_core = 0.0
        self.noticed: dict[str, Any] = {}
        self._judged = ""
        self._monitor = Monitor(model.cluster)
        self._model = model
        self._screen = screen
        self._rollouts = Rollouts(model, screen, self.traffic)
        self._records = records
        self._trained: dict[str, Trained] = {}

    def train(self) -> None:
        """All versions before any request is sent, so that training does not slow what is measured."""
        with self._screen.step("train three versions on Census records of 2015"):
            for version in (FIRST, SECOND, WORSE):
                variant = VARIANTS[version]
                self._screen.say(f"training {version}: {variant.members} network(s) on {variant.whom}")
                self._trained[version] = train(variant, self._records)

    def publish_first(self) -> None:
        """What the MLModel will serve first."""
        with self._screen.step(f"publish {FIRST}"):
            self._publish(FIRST)

    def apply(self) -> None:
        """One manifest is enough."""
        with self._screen.step(f"kubectl apply -f {EXAMPLE}"):
            self._model.cluster.apply(*self._model.surroundings(), *witness.objects())
            self._model.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(self._model.manifest()))
            self._wait_for_version(FIRST)

    def send_records(self) -> None:
        """From here on requests flow without a pause until the end."""
        with self._screen.step(f"send records that no training saw, people of {LAUNCHED}, through the gateway"):
            self._screen.say(f"to {self._model.url}, without a pause until the end")
            self._screen.traffic = self.traffic
            self.traffic.start()
            self._wait_for_answers(500)

    def promote(self) -> None:
        """A better version earns its traffic step by step, by evidence, and nobody says a word."""
        with self._screen.step(f"publish {SECOND}, which is better, while requests flow"):
            self._publish(SECOND)
            told = self._rollouts.promoted(SECOND)
            self.promoted = told.document()
            shares = " → ".join(map(str, (*told.shares, 100)))
            self._screen.say(f"{SECOND} was promoted by evidence, {shares} %, in {told.seconds:.0f} s")
            self._screen.say(f"{told.sent} requests meanwhile, {told.failed} failed")

    def take_back(self) -> None:
        """A worse version is noticed by its answers alone: nobody has told what is true of them."""
        with self._screen.step(f"publish {WORSE}, trained by mistake on {VARIANTS[WORSE].whom}"):
            self._publish(WORSE)
            told = self._rollouts.taken_back(WORSE, SECOND)
            self.taken_back = told.document()
            self._screen.say(f"{WORSE} was taken back by evidence after {told.seconds:.0f} s: {told.message}")
            by_it = f"of which it answered {told.answered_by_it}"
            self._screen.say(f"{told.sent} requests meanwhile, {by_it}, {told.failed} failed")

    def kill_a_pod(self) -> None:
        """A pod of the version that answers, gone without a farewell."""
        with self._screen.step(f"delete a predictor pod of {SECOND} by force"):
            victim, *_ = self._model.ready_pods(SECOND)
            self._model.cluster.kubectl("-n", NAMESPACE, "delete", "pod", victim, "--grace-period=0", "--force")
            self._screen.say(f"deleted {victim}")
            self._screen.wait("two ready pods without it", lambda: self._not_replaced(victim), _POD_SECONDS)
            self._wait_for_answers(300)

    def publish_damaged(self) -> None:
        """Refused with its reason while the live version serves on."""
        with self._screen.step(f"publish {DAMAGED} with one bit of its model changed"):
            publish_damaged(self._trained[SECOND], DAMAGED, self._model.store())
            self._screen.wait("the operator to refuse it", self._not_refused, _VERSION_SECONDS)
            self.refused = failure_of(self._model.status(), DAMAGED) or {}
            self._screen.say(f"refused {DAMAGED}: {self.refused['reason']}: {self.refused['message']}")
            if self.refused["reason"] != "ChecksumMismatch" or not_serving(self._model.status(), SECOND):
                raise DemoFailed(f"{DAMAGED} should fail by its checksum while {SECOND} serves: {self._model.status()}")
            self._wait_for_answers(300)

    def apply_a_wrong_manifest(self) -> None:
        """The API server refuses it and names each field and its reason."""
        with self._screen.step("apply a wrong manifest"):
            wrong = self._model.manifest()
            wrong["spec"]["serving"] |= {"autoscaling": {"minReplicas": 4, "maxReplicas": 2}}
            wrong["spec"]["traffic"] |= {"ingress": {"host": "employment.example.com"}}
            said = self._model.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(wrong), check=False)
            for line in said.strip().splitlines():
                self._screen.say(line)
            if "is invalid" not in said or "minReplicas" not in said:
                raise DemoFailed("the wrong manifest was not refused for what is wrong with it")

    def is_stable(self) -> None:
        """The monitor has judged people like those of the training, and says that nothing has changed."""
        with self._screen.step(f"ask the monitor about people of {LAUNCHED}"):
            # A trend, which one of seventeen columns may have for a window, is not yet what is waited for.
            self._screen.wait(f"a stable window of {SECOND}", self._not_stable, _WINDOW_SECONDS)
            self._screen.say(self._judged)
            if said := witness.told(self._model.cluster):
                raise DemoFailed(f"nothing has changed, and somebody was told of it: {said[0]}")

    def open_to_all(self) -> None:
        """The same service for people that the model never saw."""
        with self._screen.step(f"open the service to {OPENED}"):
            # With a window, so that each one holds people of one kind.
            begins = time.time() + WINDOW_SECONDS - time.time() % WINDOW_SECONDS
            self._screen.wait("the next window to begin", lambda: _seconds_to(begins), 2 * WINDOW_SECONDS)
            self.traffic.open_to(all_people(self._records), OPENED)
            self._opened = time.monotonic()
            sent, used = len(self.traffic.answers), self._model.cpu_seconds(SECOND)
            self._wait_for_answers(2500)
            sent, used = len(self.traffic.answers) - sent, self._model.cpu_seconds(SECOND) - used
            self.requests_per_core = sent / used if used > 0 else 0.0

    def drift_is_noticed(self) -> None:
        """The monitor names what has changed, the MLModel shows it, and one person is told once."""
        with self._screen.step("somebody notices"):
            self._screen.wait("the condition Drifted", self._not_drifted, _WINDOW_SECONDS)
            seconds = time.monotonic() - self._opened
            drift = self._model.status()["drift"]
            self._screen.say(f"Drifted after {seconds:.0f} s: {self._model.drift_condition()['message']}")
            self._screen.wait("a notification", lambda: "" if self._notices() else "none yet", _POD_SECONDS)
            (notice, *more) = self._notices()
            self._screen.say(f"one notification: {', '.join(notice['features'])} have drifted")
            self._screen.say(f"how sure: {notice['sure']}")
            self._screen.say(f"what to do: {notice['action']}")
            if more or census.AGE not in drift["features"]:
                raise DemoFailed(f"{census.AGE} and one notification were promised: {drift}, {len(more)} more")
            self.noticed = {"seconds": round(seconds), "features": drift["features"], "notifications": 1}

    def labels_arrive(self) -> None:
        """What was true of each answer becomes known, and with it what the answers are worth by now."""
        with self._screen.step("labels arrive"):
            answers = list(self.traffic.answers)
            self._screen.say(f"{self._monitor.label(answers)} labels for {len(answers)} predictions")
            self._screen.wait("accuracy before and after", self._without_accuracy, _WINDOW_SECONDS)
            found = self._accuracies()
            if found is None:
                raise DemoFailed("the quality of a window went away")
            before, after = found
            self._screen.say(f"accuracy of {SECOND}: {shown(before)} for {LAUNCHED}, {shown(after)} for {OPENED}")
            self.noticed["accuracy"] = {LAUNCHED: before.model_dump(), OPENED: after.model_dump()}

    def _publish(self, version: str) -> None:
        self._screen.say(f"publishing {version} to {self._model.registry_uri}")
        publish_trained(self._trained[version], self._model.registry())

    def _wait_for_version(self, version: str) -> None:
        what = f"{version} to serve all traffic"
        self._screen.wait(what, lambda: not_serving(self._model.status(), version), _VERSION_SECONDS)
        self._screen.say(message_of(self._model.status()))

    def _wait_for_answers(self, more: int) -> None:
        wanted = len(self.traffic.answers) + more
        self._screen.wait(f"{more} more answers", lambda: self._to_go(wanted), _POD_SECONDS)

    def _to_go(self, wanted: int) -> str:
        if not self.traffic.flows:
            raise DemoFailed("the stream of requests broke off")
        missing = wanted - len(self.traffic.answers)
        return f"{missing} to go" if missing > 0 else ""

    def _not_replaced(self, victim: str) -> str:
        ready = self._model.ready_pods(SECOND)
        return (
            "" if len(ready) >= 2 and victim not in ready else f"{len(ready)} ready; {message_of(self._model.status())}"
        )

    def _not_stable(self) -> str:
        report = self._monitor.drift()
        self._judged = f"{report.version} is {report.verdict}: {report.message}"
        return "" if report.version == SECOND and report.verdict is Level.STABLE else self._judged

    def _not_drifted(self) -> str:
        condition = self._model.drift_condition()
        return "" if condition.get("status") == "True" else condition.get("message", "not judged yet")

    def _notices(self) -> list[dict[str, Any]]:
        return witness.told(self._model.cluster)

    def _without_accuracy(self) -> str:
        return "" if self._accuracies() else "no window before or after has enough labels"

    def _accuracies(self) -> tuple[Interval, Interval] | None:
        """Of the window with the most labels before the service opened, and of that after it."""
        opened = datetime.now(UTC) - timedelta(seconds=time.monotonic() - self._opened)
        reports = [report for report in self._monitor.quality(SECOND) if report.labelled >= 500]
        before = [report for report in reports if report.window.until <= opened]
        after = [report for report in reports if report.window.since >= opened]
        best = [max(part, key=lambda report: report.labelled, default=None) for part in (before, after)]
        known = [report.metrics["accuracy"] for report in best if report is not None]
        return (known[0], known[1]) if len(known) == 2 else None

    def _not_refused(self) -> str:
        status = self._model.status()
        return "" if failure_of(status, DAMAGED) else message_of(status)


def _seconds_to(moment: float) -> str:
    left = moment - time.time()
    return f"{left:.0f} s" if left > 0 else ""


def shown(interval: Interval) -> str:
    """An estimate with its interval, for people."""
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def new_story(model: Model, screen: Screen) -> Story:
    """A story on the records of this repository."""
    return Story(model, screen, census.records())
