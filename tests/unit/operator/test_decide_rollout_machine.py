"""Random rollouts, decision after decision: what may never happen to traffic, and that each comes to an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fakes.seen import GATEWAY, NOW, POLICY, WITH_GATEWAY, a_catalog, a_model
from fakes.trying import FAILED, INCONCLUSIVE, PASSED, SILENT, WATCHED
from modelloop_core.api import MLModelStatus
from modelloop_core.versions import Version
from modelloop_core.wire.evidence import Verdict
from modelloop_core.wire.runs import ReplayOutcome
from modelloop_operator.decide.capacity import capacity_for, replicas_of
from modelloop_operator.decide.decisions import Adopt, Answer, Decision, Promote, Refuse, RollBack, Shift, Start, Wait
from modelloop_operator.decide.observation import Judgement, Observation, Pods, Request, Route
from modelloop_operator.decide.plan import plan_of
from modelloop_operator.decide.questions import question
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.shares import ALL, Share, share_in
from modelloop_operator.decide.status import next_status

NUMBERS = ("1.0.0", "1.0.1", "1.1.0", "1.2.0", "1.3.0")
PINS = (None, None, "1.0.0", "1.1.0", "^1", "~1.1")
VERBS = ("promote", "approve", "pause", "resume", "abort", "rollback", "retry")
STEPS: tuple[list[dict[str, Any]], ...] = (
    [{"weight": 5, "hold": "20s"}, {"weight": 50, "hold": "20s"}],
    [{"weight": 10, "hold": "1m"}, {"weight": 30, "hold": "0s", "approval": True}, {"weight": 75, "hold": "5s"}],
    [{"weight": 99, "hold": "0s"}],
    [{"mirror": 10, "hold": "20s"}, {"mirror": 100, "hold": "0s", "approval": True}, {"weight": 20, "hold": "5s"}],
    [{"mirror": 50, "hold": "0s"}],
)
STAGINGS: tuple[dict[str, Any] | None, ...] = (None, {"replay": 0, "hold": "10s"}, {"replay": 5})
WON, LOST = replace(PASSED, winner="candidate", experiment="…"), replace(PASSED, winner="stable", experiment="…")
AB: dict[str, Any] = {"split": 40, "metric": "mae", "maxDuration": "3m"}
PLANS: tuple[dict[str, Any], ...] = (
    *({"strategy": "Canary", "steps": steps, "ab": None} for steps in STEPS),
    *({"strategy": "AB", "steps": None, "ab": {**AB, "onUndecided": then}} for then in ("RollBack", "Promote", "Hold")),
)
ANSWERS = {"ApprovalPending": "approve", "PausedByRequest": "resume", "ABUndecided": "promote"}
"""What a person says to what waits for one."""
NOTHING = Pods(desired=1, ready=0, settled=False, reachable=0)
MOST_STEPS = 200


class Tried(RuleBasedStateMachine):
    """A cluster of values with a gateway that may lag, and a monitor that says what a version's fate is."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.status = MLModelStatus()
        self.published: set[str] = set()
        self.rollout: dict[str, Any] = {"steps": STEPS[0], "inconclusiveDeadline": "10m", "keepWarm": "2m"}
        self.pin: str | None = None
        self.replicas = 4
        self.pods: dict[Version, Pods] = {}
        self.dead: set[Version] = set()
        self.wanted_route: dict[Version, int] = {}
        self.route: dict[Version, int] = {}
        self.wanted_mirrors: dict[Version, int] = {}
        self.mirrors: dict[Version, int] = {}
        self.lags = False
        self.fates: dict[str, Judgement] = {}
        self.silent = False
        self.request: Request | None = None
        self.requests = 0
        self.named: Version | None = None

    def judgement(self, seen: Observation) -> Judgement | None:
        """What the monitor says of whoever is asked about."""
        asked = question(seen)
        if asked is None:
            return SILENT
        return SILENT if self.silent else self.fates.get(asked.version, PASSED)

    def seen(self) -> Observation:
        """What a pass would observe now."""
        spec: dict[str, Any] = {
            "traffic": GATEWAY,
            "rollout": self.rollout,
            "serving": {"replicas": self.replicas},
            **({"version": self.pin} if self.pin else {}),
        }
        confirmed = (self.route, self.mirrors) == (self.wanted_route, self.wanted_mirrors)
        told, mirrors = "" if confirmed else "lags", dict(self.wanted_mirrors)
        route = Route(dict(self.wanted_route), confirmed, told, named=self.named, mirrors=mirrors)
        seen = Observation(
            model=a_model(spec=spec, status=self.status),
            catalog=a_catalog(*sorted(self.published)),
            pods=dict(self.pods),
            route=route if self.wanted_route else None,
            capabilities=WITH_GATEWAY,
            request=self.request,
            watch=WATCHED,
        )
        return replace(seen, judgement=self.judgement(seen), replay=self.replay())

    def replay(self) -> ReplayOutcome | None:
        """What the Job left that status names, unless it was not done yet."""
        staging = self.status.rollout.staging if self.status.rollout is not None else None
        if staging is None or staging.run is None or self.silent or self.status.candidate is None:
            return None
        about = {"run": staging.run, "version": self.status.candidate.version, "against": "1.0.0"}
        return ReplayOutcome(**about, asked=5, compared=5, began=NOW, ended=NOW)

    def step(self) -> Decision:
        """One pass: decide, commit, and make the children so."""
        seen = self.seen()
        decision = decide(seen, self.now, POLICY)
        assert decision == decide(seen, self.now, POLICY)
        self.check(seen, decision)
        self.status = next_status(seen, decision, self.now)
        self.check_weights()
        self.render(seen)
        return decision

    def check(self, seen: Observation, decision: Decision) -> None:
        """What no decision may do."""
        if isinstance(decision, Promote | RollBack | Shift):
            share = Share(decision.weight, decision.mirror) if isinstance(decision, Shift) else ALL
            ready = seen.pods[decision.version].ready if share else 0
            assert not share or ready >= capacity_for(share, seen), f"{decision.version}: {ready} pods for {share}"
            assert not (share.weight and share.mirror)
            self.check_staged(seen, decision)
        if isinstance(decision, Promote) and seen.stable is not None:
            self.check_earned(seen)
        if isinstance(decision, Start):
            failed = {failure.version for failure in self.status.failedVersions}
            assert str(decision.version) not in failed, f"{decision.version} failed here"
        if isinstance(decision, Refuse):
            assert decision.version != seen.stable
        if isinstance(decision, Adopt):
            assert decision.version == self.named, f"{decision.version} was not the live one"

    def check_staged(self, seen: Observation, decision: Promote | RollBack | Shift) -> None:
        """Nothing that is new here gets any traffic before it went through what the spec has come before."""
        rollout, version = seen.model.status.rollout, str(decision.version)
        known = any(entry.version == version for entry in seen.model.status.history)
        if isinstance(decision, RollBack) or rollout is None or known or share_in(seen.model.status):
            return
        if self.rollout.get("staging") and not rollout.promoted:
            assert rollout.staging is not None, f"{version} was not staged"
            assert rollout.staging.run is None or seen.replay is not None, f"{version} was not replayed to"

    def check_earned(self, seen: Observation) -> None:
        """Nothing goes live by steps that skipped one, but by a person's word; and never what failed."""
        rollout, candidate = seen.model.status.rollout, seen.model.status.candidate
        assert rollout is not None
        assert candidate is not None
        judged = seen.judgement
        share = share_in(seen.model.status)
        assert not (share and judged is not None and judged.verdict is Verdict.FAILED)
        if plan_of(seen).ab is not None and not rollout.promoted:
            assert judged is None or judged.winner != "stable" or rollout.outcome, "the loser of a test was promoted"
        if rollout.strategy != "BlueGreen" and not rollout.promoted:
            assert share >= max(plan_of(seen).shares), f"promoted from {share}"

    def check_weights(self) -> None:
        """Shares add to 100, and nobody else has one."""
        blocks = [block for block in (self.status.stable, self.status.candidate) if block]
        if self.status.stable is not None:
            assert sum(block.requestedWeight for block in blocks) == 100
        assert all(block.requestedWeight == 0 for block in self.status.warm)

    def render(self, before: Observation) -> None:
        """Pods and route as the renderers would make them from what was committed."""
        after = replace(before, model=before.model.model_copy(update={"status": self.status}))
        blocks = [block for block in (self.status.stable, self.status.candidate, *self.status.warm) if block]
        versions = [Version.parse(block.version) for block in blocks]
        assert len(set(versions)) == len(versions), "one version in two roles"
        counts = {version: replicas_of(version, after).fixed or 0 for version in versions}
        shares = self.status.candidate is not None and self.status.candidate.requestedWeight
        if shares and after.stable in self.pods:
            assert counts[after.stable] >= self.pods[after.stable].desired, "what is live was shrunk in a rollout"
        for version, weight in (*self.route.items(), *self.mirrors.items()):
            assert not weight or version in versions, f"pods of {version} are taken while requests go to it"
        self.pods = {version: self._scaled(self.pods.get(version, NOTHING), counts[version]) for version in versions}
        if self.status.stable is not None:
            parts = [block for block in (self.status.stable, self.status.candidate) if block and block.requestedWeight]
            self.wanted_route = {Version.parse(block.version): block.requestedWeight for block in parts}
            self.named = Version.parse(self.status.stable.version)
            share = share_in(self.status)
            tried = Version.parse(self.status.candidate.version) if self.status.candidate else self.named
            self.wanted_mirrors = {tried: share.mirror} if share.mirror else {}

    def _scaled(self, pods: Pods, count: int) -> Pods:
        if pods.desired == count:
            return pods
        return replace(pods, desired=count, ready=min(pods.ready, count), settled=False)

    def cluster_step(self) -> None:
        """Pods that can get ready do, and the gateway follows unless it lags."""
        for version, pods in self.pods.items():
            up = 0 if version in self.dead else pods.desired
            self.pods[version] = replace(pods, ready=up, settled=up == pods.desired, reachable=up)
        if not self.lags:
            self.route, self.mirrors = dict(self.wanted_route), dict(self.wanted_mirrors)

    @initialize(plan=st.sampled_from(PLANS), staging=st.sampled_from(STAGINGS))
    def begin(self, plan: dict[str, Any], staging: dict[str, Any] | None) -> None:
        """1.0.0 serves."""
        self.rollout = {**self.rollout, **plan, "staging": staging}
        self.published.add("1.0.0")
        self.passes(6)

    @rule(
        number=st.sampled_from(NUMBERS),
        fate=st.sampled_from((PASSED, PASSED, WON, WON, LOST, FAILED, INCONCLUSIVE)),
        then=st.integers(0, 8),
    )
    def publish(self, number: str, fate: Judgement, then: int) -> None:
        """A version appears, and the monitor will come to say this of it."""
        self.published.add(number)
        self.fates.setdefault(number, fate)
        self.passes(then)

    @rule(number=st.sampled_from(NUMBERS), fate=st.sampled_from((PASSED, WON, LOST, FAILED, INCONCLUSIVE)))
    def change_of_heart(self, number: str, fate: Judgement) -> None:
        """The evidence says something else now."""
        self.fates[number] = fate

    @rule(pin=st.sampled_from(PINS), then=st.integers(0, 4))
    def move_pin(self, pin: str | None, then: int) -> None:
        """The spec names other versions."""
        self.pin = pin
        self.passes(then)

    @rule(
        plan=st.sampled_from(PLANS),
        paused=st.booleans(),
        on_inconclusive=st.sampled_from(("Hold", "RollBack")),
        replicas=st.sampled_from((1, 4, 7)),
    )
    def edit_spec(self, plan: dict[str, Any], paused: bool, on_inconclusive: str, replicas: int) -> None:
        """Somebody changes the plan while it runs."""
        self.rollout = {**self.rollout, **plan, "paused": paused, "onInconclusive": on_inconclusive}
        self.replicas = replicas

    @rule(verb=st.sampled_from(VERBS), then=st.integers(0, 3))
    def ask(self, verb: str, then: int) -> None:
        """A person asks for something and is answered in the next pass."""
        self.requests += 1
        self.request = Request(str(self.requests), verb)
        decision = self.step()
        lost = self.status.stable is None and self.status.candidate is None
        assert lost or isinstance(decision, Answer | Adopt), decision
        self.passes(then)

    @rule(silent=st.booleans(), lags=st.booleans())
    def disturb(self, silent: bool, lags: bool) -> None:
        """The monitor goes or comes back; the gateway lags or follows."""
        self.silent, self.lags = silent, lags

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def lose_pods(self, data: st.DataObject) -> None:
        """All pods of one version are gone for a moment."""
        version = data.draw(st.sampled_from(sorted(self.pods)))
        self.pods[version] = replace(self.pods[version], ready=0, settled=False, reachable=0)
        self.step()

    @rule(number=st.sampled_from(NUMBERS[1:]))
    def kill(self, number: str) -> None:
        """A version's pods die and do not come back for now."""
        self.dead.add(Version.parse(number))

    @rule()
    def revive(self) -> None:
        """Whatever killed them is over."""
        self.dead.clear()

    @precondition(lambda self: not self.lags)
    @rule()
    def wipe_status(self) -> None:
        """Somebody restores an MLModel without its status."""
        self.status = MLModelStatus()
        self.request = None

    @rule(seconds=st.integers(1, 200))
    def time_passes(self, seconds: int) -> None:
        """The clock goes on."""
        self.now += timedelta(seconds=seconds)

    @rule(count=st.integers(1, 10))
    def passes(self, count: int) -> None:
        """Passes, and a step of the cluster and of time after each."""
        for _ in range(count):
            self.step()
            self.cluster_step()
            self.now += timedelta(seconds=3)

    @invariant()
    def few_versions(self) -> None:
        """At most two versions take traffic, and each list is bounded."""
        assert len([weight for weight in self.wanted_route.values() if weight]) <= 2
        assert len(self.status.failedVersions) <= 20

    def teardown(self) -> None:
        """With evidence, and nobody holding it, whatever is tried comes to its end."""
        self.silent = self.lags = False
        self.dead.clear()
        self.rollout = {**self.rollout, "paused": False}
        self.fates = {number: PASSED if fate is INCONCLUSIVE else fate for number, fate in self.fates.items()}
        decision = self.step()
        for _ in range(MOST_STEPS):
            if decision.reason in ANSWERS:
                self.requests += 1
                self.request = Request(str(self.requests), ANSWERS[decision.reason])
            decision = self.step()
            self.cluster_step()
            self.now += timedelta(seconds=3)
        assert self.status.candidate is None, (decision, self.status.rollout)
        assert self.status.warm == []
        assert isinstance(decision, Wait)
        assert self.status.stable is not None
        quiet = self.status
        self.step()
        assert self.status == quiet


TestTried = Tried.TestCase
TestTried.settings = settings(
    max_examples=60,
    stateful_step_count=20,
    deadline=None,
    # Shrinking a story of passes takes minutes and makes it little shorter.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
