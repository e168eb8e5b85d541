"""Gathers what one pass may know of one MLModel: from the cache, and from the API server where that cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from modelloop_core.api import REQUEST_ANNOTATION, MLModel
from modelloop_core.api.requests import PersonRequest, request_id
from modelloop_core.history import Identity
from modelloop_core.versions import Version
from modelloop_core.wire.runs import ReplayOutcome
from modelloop_operator.cluster.cache import Cache, Key
from modelloop_operator.cluster.captures import Captures
from modelloop_operator.cluster.catalogs import PENDING, Catalogs, Source
from modelloop_operator.cluster.facts import (
    AutoscalerFacts,
    Child,
    DeploymentFacts,
    IngressFacts,
    JobFacts,
    RouteFacts,
    ServiceFacts,
)
from modelloop_operator.cluster.judgements import Judgements
from modelloop_operator.cluster.pods import Prober
from modelloop_operator.cluster.port import Object
from modelloop_operator.cluster.reports import Reports, Watch
from modelloop_operator.cluster.runs import Runs
from modelloop_operator.decide.measures import measures
from modelloop_operator.decide.observation import (
    NO_MONITOR,
    Capabilities,
    Catalog,
    CatalogUnknown,
    NoReport,
    Observation,
    Pods,
    Request,
    Route,
    Trouble,
)
from modelloop_operator.decide.questions import asked_every, question
from modelloop_operator.naming import mirror_name, versioned_name


class InvalidModel(Exception):
    """An MLModel that the API server let pass but this operator cannot read; says which field and why."""


@dataclass(frozen=True)
class Observer:
    """Builds observations; reads, never writes."""

    cache: Cache
    catalogs: Catalogs
    prober: Prober
    reports: Reports
    captures: Captures
    judgements: Judgements
    runs: Runs
    capabilities: Callable[[], Capabilities]
    cluster_name: str

    async def observe(self, key: Key) -> Observation | None:
        """What is true of the MLModel `key`, or None when there is none; raises InvalidModel."""
        body = self.cache.models.get(key)
        if body is None:
            return None
        model = parse(body)
        request, problem = _request(model)
        unanswered = request.id if request is not None and _unanswered(model, request) else ""
        source = (model.metadata.namespace, model.spec.registry)
        mine = [
            child for child in self.cache.children(key) if child.owner_uid == model.metadata.uid and not child.deleting
        ]
        catalog = await self.catalogs.catalog(key, source, request=unanswered)
        last_live = await self._last_live(key, model, source) if isinstance(catalog, Catalog) else None
        if isinstance(last_live, CatalogUnknown):
            catalog, last_live = last_live, None
        if isinstance(catalog, CatalogUnknown) and catalog.reason == PENDING:
            request = None  # to be answered by what the read finds
        watch = self._watch(key, model, catalog)
        seen = Observation(
            model=model,
            catalog=catalog,
            pods=await self._pods(model, mine),
            route=_route(model, mine),
            capabilities=await self._capabilities(model),
            last_live=last_live,
            request=request,
            request_problem=problem,
            address=await self.prober.gateway_address(model),
            ingress_taken_up=any(isinstance(child.facts, IngressFacts) and child.facts.taken_up for child in mine),
            scaling_problems=_scaling_problems(mine),
            foreign=_foreign(self.cache.children(key), model.metadata.uid),
            watch=watch.found,
            watch_problem=watch.problem or self._captures(key, model, watch),
            replay=await self._replay(key, model, source, mine),
        )
        asked = question(seen)
        wanted = measures(seen, asked.version, asked.against) if asked is not None else ()
        return replace(seen, judgement=self.judgements.of(key, asked, asked_every(seen), wanted))

    def identity(self, model: MLModel) -> Identity:
        """This MLModel in the registry's history."""
        meta = model.metadata
        return Identity(cluster=self.cluster_name, namespace=meta.namespace, name=meta.name, uid=meta.uid)

    def _watch(self, key: Key, model: MLModel, catalog: Catalog | CatalogUnknown) -> Watch:
        live = model.status.stable
        if live is None:
            return self.reports.idle
        known = catalog.releases.get(Version.parse(live.version)) if isinstance(catalog, Catalog) else None
        return self.reports.of(key, model, known.task if known else model.spec.task)

    def _captures(self, key: Key, model: MLModel, watch: Watch) -> NoReport | None:
        """Why captures outlive their retention, where any are written."""
        if model.spec.monitoring is None and watch.found == NO_MONITOR:
            self.captures.release(key)
            return None
        return self.captures.of(key, model)

    async def _replay(
        self, key: Key, model: MLModel, source: Source, mine: list[Child]
    ) -> ReplayOutcome | Trouble | None:
        """What came of the run that status names, or what its Job suffers from."""
        staging = model.status.rollout.staging if model.status.rollout is not None else None
        run = staging.run if staging is not None else None
        found = self.runs.of(key, source, run)
        job = next((child for child in mine if child.name == run and isinstance(child.facts, JobFacts)), None)
        if found is not None or job is None:
            return found
        return await self.prober.job_trouble(job)

    async def _pods(self, model: MLModel, mine: list[Child]) -> dict[Version, Pods]:
        found: dict[Version, Pods] = {}
        candidate = model.status.candidate.version if model.status.candidate else None
        for child in mine:
            if isinstance(child.facts, DeploymentFacts) and child.version is not None:
                found[child.version] = await self.prober.pods(
                    model, child.version, child.facts, str(child.version) == candidate
                )
        return found

    async def _capabilities(self, model: MLModel) -> Capabilities:
        known = self.capabilities()
        if model.spec.serving.device != "cuda":
            return known
        return replace(known, gpu_nodes=await self.prober.gpu_nodes())

    async def _last_live(self, key: Key, model: MLModel, source: Source) -> Version | CatalogUnknown | None:
        if model.status.stable is not None or model.status.candidate is not None:
            return None
        return await self.catalogs.last_live(key, source, self.identity(model))


def parse(body: Object) -> MLModel:
    """The MLModel; raises InvalidModel when this operator cannot read it."""
    try:
        return MLModel.parse(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InvalidModel(
                f"this operator does not know {field}, which the cluster's MLModel resource has: the operator is older "
                "than the resource and lets everything of this MLModel be as it is; upgrade it (charts/modelloop)"
            ) from error
        raise InvalidModel(f"{field}: {first['msg']} (found {first['input']!r})") from error


def _request(model: MLModel) -> tuple[Request | None, str]:
    text = model.metadata.annotations.get(REQUEST_ANNOTATION)
    if text is None:
        return None, ""
    try:
        parsed = PersonRequest.parse(text)
    except ValueError:
        problem = (
            f'annotation {REQUEST_ANNOTATION} must be JSON like {{"id": "…", "verb": "refresh"}}, found {text[:100]!r}'
        )
        return Request(id=request_id(text), verb=""), problem
    return Request(parsed.id, parsed.verb, parsed.by), ""


def _unanswered(model: MLModel, request: Request) -> bool:
    return model.status.handledRequest is None or model.status.handledRequest.id != request.id


def _route(model: MLModel, mine: list[Child]) -> Route | None:
    name = model.metadata.name
    own = [child for child in mine if child.name == name]
    named = next((child.facts.version for child in own if isinstance(child.facts, ServiceFacts)), None)
    if model.spec.traffic.gateway is not None:
        for facts in (child.facts for child in own if isinstance(child.facts, RouteFacts)):
            weights = _by_version(facts.weights, name, mine)
            mirrors = _by_version(facts.mirrors, name, mine, mirror_name)
            return Route(weights, facts.confirmed, facts.problem, facts.accepted, named, mirrors, facts.controllers)
    return Route({named: 100}, confirmed=True, named=named) if named is not None else None


def _by_version(
    weights: Mapping[str, int],
    model: str,
    mine: list[Child],
    name: Callable[[str, Version], str] = versioned_name,
) -> dict[Version, int]:
    names = {name(model, child.version): child.version for child in mine if child.version is not None}
    return {names[service]: weight for service, weight in weights.items() if service in names}


def _scaling_problems(mine: list[Child]) -> dict[Version, str]:
    return {
        child.version: child.facts.problem
        for child in mine
        if isinstance(child.facts, AutoscalerFacts) and child.version is not None and child.facts.problem is not None
    }


def _foreign(children: tuple[Child, ...], uid: str) -> tuple[str, ...]:
    return tuple(f"{child.kind.kind} {child.name}" for child in children if child.owner_uid != uid)
