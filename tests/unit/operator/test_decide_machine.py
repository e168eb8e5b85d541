"""Random worlds, decision after decision: what may never happen, and that it always ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fakes.seen import BROKEN_FOR_EVER, NOW, POLICY, a_catalog, a_model
from modelloop_core.api import MLModelStatus
from modelloop_core.versions import Version, VersionRange
from modelloop_operator.decide.decisions import Abandon, Adopt, Decision, Promote, Refuse, Retire, Start, Wait
from modelloop_operator.decide.observation import CatalogUnknown, Observation, Pods, Route
from modelloop_operator.decide.selection import Nothing, select
from modelloop_operator.decide.serving import decide
from modelloop_operator.decide.status import next_status

NUMBERS = ("1.0.0", "1.0.1", "1.1.0", "1.2.0", "2.0.0", "2.0.0-rc.1")
PINS = (None, "1.0.0", "1.1.0", "^1", "~1.1", "^2", "2.0.0-rc.1", "9.9.9")
FATES = st.sampled_from(("soon", "soon", "late", "never"))
MOST_STEPS = 30


class Operated(RuleBasedStateMachine):
    """A cluster of values: pods and route follow the committed status, as the renderers make them."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = NOW
        self.status = MLModelStatus()
        self.published: set[str] = set()
        self.unreadable = False
        self.pin: str | None = None
        self.key = "user_id"
        self.generation = 1
        self.broken: set[Version] = set()
        self.slow: set[Version] = set()
        self.pods: dict[Version, Pods] = {}
        self.route: Version | None = None
        self.confirmed = True
        self.history: Version | None = None
        self.was_ready: set[Version] = set()
        self.refused: dict[Version, str | None] = {}

    def seen(self) -> Observation:
        """What a pass would observe now."""
        spec = {"serving": {"entityKey": self.key}, **({"version": self.pin} if self.pin else {})}
        catalog = CatalogUnknown("StoreUnavailable", "away") if self.unreadable else a_catalog(*sorted(self.published))
        lost = self.status.stable is None and self.status.candidate is None
        return Observation(
            model=a_model(spec=spec, status=self.status, generation=self.generation),
            catalog=catalog,
            pods=dict(self.pods),
            route=Route({self.route: 100}, self.confirmed, "" if self.confirmed else "lags") if self.route else None,
            last_live=self.history if lost and not self.unreadable else None,
        )

    def step(self) -> Decision:
        """One pass: decide, commit, and make the children so."""
        seen = self.seen()
        decision = decide(seen, self.now, POLICY)
        assert decision == decide(seen, self.now, POLICY)
        self.check(decision)
        self.status = next_status(seen, decision, self.now)
        self.render()
        return decision

    def check(self, decision: Decision) -> None:
        """What no decision may do."""
        if isinstance(decision, Promote):
            assert decision.version in self.was_ready, f"{decision.version} was never ready"
        if isinstance(decision, Adopt):
            assert decision.version in {self.route, self.history}, f"{decision.version} was never live"
        if isinstance(decision, Start):
            assert decision.version not in self.refused, f"{decision.version} failed here and the pin did not move"
            assert str(decision.version) in self.published
        if isinstance(decision, Refuse):
            assert decision.version in self.broken
            self.refused[decision.version] = self.pin
        if isinstance(decision, Retire):
            end = next(block.warmUntil for block in self.status.warm if block.version == str(decision.version))
            assert end is not None, f"{decision.version} had no time to drain"
            assert end <= _text(self.now)
        if isinstance(decision, Retire | Abandon | Refuse):
            live = self.status.stable
            assert live is None or str(decision.version) != live.version, "what serves was taken down"

    def render(self) -> None:
        """Pods and route as the renderers would make them from what was committed."""
        blocks = [block for block in (self.status.stable, self.status.candidate, *self.status.warm) if block]
        wanted = [Version.parse(block.version) for block in blocks]
        assert len(set(wanted)) == len(wanted), "one version in two roles"
        draining = [block for block in self.status.warm if not block.warmUntil or block.warmUntil > _text(self.now)]
        assert len(wanted) <= 3 + len(draining), "pods of a version that neither serves, comes nor drains"
        new = Pods(desired=2, ready=0, settled=False, reachable=0)
        self.pods = {version: self.pods.get(version, new) for version in wanted}
        if self.status.stable is not None:
            self.route = self.history = Version.parse(self.status.stable.version)

    def cluster_step(self) -> None:
        """Pods that can get ready do."""
        for version, pods in self.pods.items():
            if version in self.broken:
                self.pods[version] = replace(pods, ready=0, settled=False, reachable=0, trouble=BROKEN_FOR_EVER)
            elif version not in self.slow:
                self.pods[version] = Pods(desired=2, ready=2, settled=True, reachable=2)
                self.was_ready.add(version)

    @initialize(number=st.sampled_from(NUMBERS), fate=FATES)
    def begin(self, number: str, fate: str) -> None:
        """Something is there to serve."""
        self.publish(number, fate)
        self.passes(3)

    @rule(number=st.sampled_from(NUMBERS), fate=FATES, then=st.integers(0, 5))
    def publish(self, number: str, fate: str, then: int = 0) -> None:
        """A version appears, whose pods serve, serve late or never."""
        version = Version.parse(number)
        self.published.add(number)
        if version not in self.was_ready:
            (self.broken if fate == "never" else self.slow if fate == "late" else set()).add(version)
        self.passes(then)

    @rule(number=st.sampled_from(NUMBERS))
    def unpublish(self, number: str) -> None:
        """A version is removed from the store by hand."""
        self.published.discard(number)

    @rule(pin=st.sampled_from(PINS))
    def move_pin(self, pin: str | None) -> None:
        """The spec changes; a failure that it moved away from counts no more."""
        self.generation += self.pin != pin
        self.pin = pin
        self.step_until_quiet()
        if pin is not None:
            wanted = VersionRange.parse(pin)
            self.refused = {v: at for v, at in self.refused.items() if v in wanted or at == pin}

    @rule(key=st.sampled_from(("user_id", "person")))
    def change_pods(self, key: str) -> None:
        """The spec asks for other pods; what failed in the former ones may be tried again."""
        self.generation += self.key != key
        if self.key != key:
            self.key = key
            self.refused.clear()

    @precondition(lambda self: self.slow)
    @rule()
    def hurry(self) -> None:
        """Slow pods get going."""
        self.slow.clear()

    @rule(unreadable=st.booleans(), confirmed=st.booleans())
    def disturb(self, unreadable: bool, confirmed: bool) -> None:
        """The store goes or comes back; the gateway lags or answers."""
        self.unreadable, self.confirmed = unreadable, confirmed

    @precondition(lambda self: self.status.stable is not None)
    @rule()
    def lose_a_pod(self) -> None:
        """A node goes."""
        version = Version.parse(self.status.stable.version)  # type: ignore[union-attr]
        self.pods[version] = Pods(desired=2, ready=1, settled=False, reachable=1)

    @rule()
    def wipe_status(self) -> None:
        """Somebody restores an MLModel without its status."""
        self.status = MLModelStatus()
        # With it goes what was held against versions: they may be tried once more.
        self.refused.clear()

    @rule(seconds=st.integers(1, 60))
    def time_passes(self, seconds: int) -> None:
        """The clock goes on."""
        self.now += timedelta(seconds=seconds)

    @rule(count=st.integers(1, 6))
    def passes(self, count: int) -> None:
        """Passes, and a step of the cluster after each."""
        for _ in range(count):
            self.step()
            self.cluster_step()

    @rule()
    def step_until_quiet(self) -> None:
        """Passes alone, while nothing else happens, come to rest."""
        for _ in range(MOST_STEPS):
            if isinstance(self.step(), Wait):
                break
        else:
            raise AssertionError("decisions without end")
        quiet = self.status
        assert isinstance(self.step(), Wait), "nothing changed, and yet it moved"
        assert self.status == quiet, "nothing changed, and yet status did"

    @invariant()
    def bounded(self) -> None:
        """Lists do not grow without end."""
        assert len(self.status.history) <= 10
        assert len(self.status.failedVersions) <= 20

    def teardown(self) -> None:
        """In the end everything gets well: the best that may be served is served, and so is a still newer one."""
        self.unreadable, self.confirmed = False, True
        self.slow.clear()
        self.come_to_rest()
        if self.status.stable is not None:
            major = Version.parse(self.status.stable.version).major
            self.pin = None
            self.published.add(f"{major}.99.0")
            self.come_to_rest()
            assert self.status.stable.version == f"{major}.99.0"

    def come_to_rest(self) -> None:
        """Passes, steps of the cluster and time, until nothing is left to do."""
        for _ in range(MOST_STEPS):
            decision = self.step()
            self.cluster_step()
            self.now += timedelta(seconds=11)
        wanted = select(self.seen())
        if isinstance(wanted, Nothing):
            assert decision.reason == wanted.reason
        else:
            assert decision.reason == "UpToDate", decision
            assert self.status.stable is not None
            assert Version.parse(self.status.stable.version) == wanted
            assert self.status.candidate is None
            assert self.status.warm == []


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


TestOperated = Operated.TestCase
TestOperated.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    # Shrinking a story of passes takes minutes and makes it little shorter.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
