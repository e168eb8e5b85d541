"""The steps of the demo, each small, each saying what it waits for."""

from __future__ import annotations

import json

import pandas as pd
from examples.employment import census
from examples.employment.train import VARIANTS, Trained, publish_trained, train
from hack.demo.cluster import DemoFailed
from hack.demo.damage import publish_damaged
from hack.demo.model import EXAMPLE, NAMESPACE, Model
from hack.demo.people import HOLDOUT_YEAR, LAUNCHED, OPENED, all_people, launch_people
from hack.demo.screen import Screen
from hack.demo.traffic import OpenInference, Predict, Traffic

FIRST, SECOND, DAMAGED = "1.0.0", "1.1.0", "1.2.0"
_VERSION_SECONDS, _POD_SECONDS = 180.0, 120.0


class Story:
    """What the steps share: the model, the screen, the trained versions and the stream of requests."""

    def __init__(self, model: Model, screen: Screen, records: pd.DataFrame) -> None:
        protocols = (Predict(model.url), OpenInference(model.infer_url))
        self.traffic = Traffic(protocols, launch_people(records), LAUNCHED)
        self.refused: dict[str, str] = {}
        self.requests_per_core = 0.0
        self._model = model
        self._screen = screen
        self._records = records
        self._trained: dict[str, Trained] = {}

    def train(self) -> None:
        """Both versions before any request is sent, so that training does not slow what is measured."""
        with self._screen.step(f"train two versions on Census records of 2015, people of {LAUNCHED}"):
            for version in (FIRST, SECOND):
                self._screen.say(f"training {version}: {VARIANTS[version].members} network(s)")
                self._trained[version] = train(VARIANTS[version], self._records)

    def publish_first(self) -> None:
        """What the MLModel will serve first."""
        with self._screen.step(f"publish {FIRST}"):
            self._publish(FIRST)

    def apply(self) -> None:
        """One manifest is enough."""
        with self._screen.step(f"kubectl apply -f {EXAMPLE}"):
            self._model.cluster.apply(*self._model.surroundings())
            self._model.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(self._model.manifest()))
            self._wait_for_version(FIRST)

    def send_records(self) -> None:
        """From here on requests flow without a pause until the end."""
        with self._screen.step(f"send records of {HOLDOUT_YEAR}, people of {LAUNCHED}, through the gateway"):
            self._screen.say(f"to {self._model.url}, without a pause until the end")
            self._screen.traffic = self.traffic
            self.traffic.start()
            self._wait_for_answers(500)

    def swap(self) -> None:
        """The operator brings the new version up, then moves the route."""
        with self._screen.step(f"publish {SECOND} while requests flow"):
            self._publish(SECOND)
            self._wait_for_version(SECOND)
            self._wait_for_answers(500)

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
            self.refused = self._failure() or {}
            self._screen.say(f"refused {DAMAGED}: {self.refused['reason']}: {self.refused['message']}")
            if self.refused["reason"] != "ChecksumMismatch" or self._model.not_serving(SECOND):
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

    def open_to_all(self) -> None:
        """The same service for people that the model never saw."""
        with self._screen.step(f"open the service to {OPENED}"):
            self.traffic.open_to(all_people(self._records), OPENED)
            sent, used = len(self.traffic.answers), self._model.cpu_seconds(SECOND)
            self._wait_for_answers(2500)
            sent, used = len(self.traffic.answers) - sent, self._model.cpu_seconds(SECOND) - used
            self.requests_per_core = sent / used if used > 0 else 0.0

    def _publish(self, version: str) -> None:
        self._screen.say(f"publishing {version} to {self._model.registry_uri}")
        publish_trained(self._trained[version], self._model.registry())

    def _wait_for_version(self, version: str) -> None:
        self._screen.wait(f"{version} to serve all traffic", lambda: self._model.not_serving(version), _VERSION_SECONDS)
        self._screen.say(self._model.message())

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
        return "" if len(ready) >= 2 and victim not in ready else f"{len(ready)} ready; {self._model.message()}"

    def _failure(self) -> dict[str, str] | None:
        failures: list[dict[str, str]] = self._model.status().get("failedVersions", [])
        return next((failure for failure in failures if failure["version"] == DAMAGED), None)

    def _not_refused(self) -> str:
        return "" if self._failure() else self._model.message()


def new_story(model: Model, screen: Screen) -> Story:
    """A story on the records of this repository."""
    return Story(model, screen, census.records())
