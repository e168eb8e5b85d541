"""`/v1/models/{namespace}/{name}/evidence` and `/rollouts`: what the operator asks, and what it tells, of rollouts."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.background import BackgroundTask

from modelloop_core.evidence.observed import moment
from modelloop_core.wire.evidence import EvidenceQuery, RolloutEvidence
from modelloop_core.wire.rollouts import ModelRollouts, RolloutsTold
from modelloop_monitor.answers import PROBLEMS, json_answer
from modelloop_monitor.logs import event
from modelloop_monitor.monitor import Monitor
from modelloop_monitor.openapi import body_of
from modelloop_monitor.pages.model_settings import MODEL_PATH, ModelName, read_wanted
from modelloop_monitor.problems import UNKNOWN_MODEL, ProblemError
from modelloop_monitor.rollouts.reporting import rollout_evidence
from modelloop_monitor.store import models, rollouts
from modelloop_monitor.store import rollout_evidence as answers
from modelloop_monitor.store.errors import StoreError
from modelloop_monitor.store.rollouts import RolloutKey

_ROLLOUTS = MODEL_PATH + "/rollouts"
_MOST = 50


def add_rollouts(router: APIRouter, monitor: Monitor) -> None:
    """Add them."""
    _add_evidence(router, monitor)
    _add_put(router, monitor)
    _add_get(router, monitor)


def _add_evidence(router: APIRouter, monitor: Monitor) -> None:
    settings = monitor.settings

    @router.get(
        MODEL_PATH + "/evidence",
        summary="How a candidate does beside the live version",
        response_model=RolloutEvidence,
        responses=PROBLEMS,
    )
    def get_evidence(
        request: Request, namespace: ModelName, name: ModelName, query: Annotated[EvidenceQuery, Query()]
    ) -> Response:
        """The verdict of every limit that is asked for, over the same intervals of both versions."""
        monitor.access.caller(request.headers).require(namespace)
        now = monitor.now()
        with monitor.store.reading() as connection:
            if models.find(connection, (namespace, name)) is None:
                raise ProblemError(UNKNOWN_MODEL, f"nothing was posted for {namespace}/{name}, and nobody set it up")
            found = rollout_evidence(
                connection,
                monitor.references,
                monitor.tallies,
                (namespace, name),
                query,
                width=settings.traffic_seconds,
                settled=now - settings.settle_seconds,
                now=now,
            )
            key = rollouts.asking(connection, (namespace, name), query)
        answer = json_answer(found)
        if key is not None:
            # After the answer: a rollout is judged also while the database takes no writes.
            answer.background = BackgroundTask(_keep, monitor, key, query, found)
        return answer


def _keep(monitor: Monitor, key: RolloutKey, query: EvidenceQuery, found: RolloutEvidence) -> None:
    try:
        with monitor.store.writing() as connection:
            answers.keep(connection, key, query, found)
    except StoreError as error:
        event("evidence-not-kept", logging.WARNING, error=error, model=f"{key.namespace}/{key.name}")


def _add_put(router: APIRouter, monitor: Monitor) -> None:
    @router.put(
        _ROLLOUTS,
        summary="Tell of a model's rollouts",
        status_code=204,
        responses=PROBLEMS,
        openapi_extra=body_of(ModelRollouts),
    )
    async def put_rollouts(request: Request, namespace: ModelName, name: ModelName) -> Response:
        """Keep what is live, what is tried, and the rollouts in the body; those that are not in it stay."""
        told = await read_wanted(request, monitor, namespace, ModelRollouts)

        def keep() -> None:
            with monitor.store.writing() as connection:
                rollouts.save(connection, (namespace, name), told, monitor.now())

        await run_in_threadpool(keep)
        return Response(status_code=204)


def _add_get(router: APIRouter, monitor: Monitor) -> None:
    @router.get(_ROLLOUTS, summary="A model's rollouts", responses=PROBLEMS)
    def get_rollouts(request: Request, namespace: ModelName, name: ModelName) -> RolloutsTold:
        """What was told last, and the last 50 rollouts, newest first."""
        monitor.access.caller(request.headers).require(namespace)
        with monitor.store.reading() as connection:
            state = rollouts.state(connection, (namespace, name))
            kept = rollouts.latest(connection, (namespace, name), _MOST)
        if state is None:
            raise ProblemError(UNKNOWN_MODEL, f"no operator has told of rollouts of {namespace}/{name}")
        told = state.rollouts
        return RolloutsTold(
            told=moment(state.told), live=told.live, tried=told.tried, message=told.message, rollouts=tuple(kept)
        )
