"""`python -m modelloop_predictor.replay`: replays captured requests against a version, and writes what came of it."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from modelloop_core.drift.reference import REFERENCE_NAME, Reference
from modelloop_core.feature_schema import Signature
from modelloop_core.registry import Registry
from modelloop_core.registry_errors import RegistryError
from modelloop_core.storage.open import open_store
from modelloop_core.storage.port import AlreadyExists, NotFound, ObjectStore, StoreError
from modelloop_core.versions import Version
from modelloop_core.wire.environment import EXIT_PERMANENT, TERMINATION_LOG, PredictorEnvironment
from modelloop_core.wire.runs import ReplayOutcome, outcome_key
from modelloop_predictor import logs
from modelloop_predictor.replay.asking import Target, Unreached
from modelloop_predictor.replay.captured import Captures, newest
from modelloop_predictor.replay.judging import judged
from modelloop_predictor.settings import SettingsError, read_settings
from modelloop_predictor.termination import write_termination_log

_MARGIN_SECONDS = 5.0


def replay(store: ObjectStore, settings: PredictorEnvironment, asked: argparse.Namespace) -> ReplayOutcome:
    """Ask the version what the live one was asked; raises StoreError, RegistryError, Unreached."""
    registry, began = Registry(store), datetime.now(UTC)
    ours, theirs = (registry.manifest(Version.parse(one)) for one in (settings.model_version, asked.against))
    empty = ReplayOutcome(
        run=asked.run, version=settings.model_version, against=asked.against, began=began, ended=began
    )
    captures = newest(store, str(Version.parse(asked.against)), theirs.signature.output, asked.rows)
    lacking = _left_out(captures, ours.signature, theirs.signature)
    if not captures.rows or lacking:
        return empty.model_copy(update={"note": _why_nothing(captures, lacking, asked), "ended": datetime.now(UTC)})
    seconds = settings.timeout_seconds + _MARGIN_SECONDS
    target = Target(asked.target, settings.model_version, asked.run, seconds, ours.signature.output)
    answers = target.ask_all(captures.rows)
    reference = _reference(registry, Version.parse(asked.against))
    outputs = (ours.signature.output, theirs.signature.output)
    found = judged(empty, captures.rows, answers, outputs, reference)
    short = "" if len(captures.rows) >= asked.rows else f"only {len(captures.rows):,} requests were captured"
    return found.model_copy(update={"note": short, "ended": datetime.now(UTC)})


def run(store: ObjectStore, settings: PredictorEnvironment, asked: argparse.Namespace) -> ReplayOutcome:
    """The outcome of the run, made once: whoever comes later, or at the same time, takes what is there."""
    key = outcome_key(asked.run)
    try:
        return ReplayOutcome.model_validate_json(store.read(key))
    except NotFound:
        found = replay(store, settings, asked)
    try:
        store.create(key, found.model_dump_json(indent=1).encode())
    except AlreadyExists:
        return ReplayOutcome.model_validate_json(store.read(key))
    return found


def _left_out(captures: Captures, ours: Signature, theirs: Signature) -> list[str]:
    """Features that callers gave the live version, that this one cannot do without, and that no capture has."""
    captured = set(captures.rows[0].features) if captures.rows else set(theirs.feature_names)
    needed = {feature.name for feature in ours.inputs if not feature.nullable}
    return sorted((needed & set(theirs.feature_names)) - captured)


def _why_nothing(captures: Captures, lacking: Sequence[str], asked: argparse.Namespace) -> str:
    if lacking:
        return f"captures leave out {', '.join(lacking)}, which it needs (spec.monitoring.capture.exclude)"
    if not captures.files:
        return "the registry has no captured features (spec.monitoring.capture.features)"
    return f"the registry has captured features, but none of {asked.against}"


def _reference(registry: Registry, version: Version) -> Reference | None:
    try:
        return Reference.model_validate_json(registry.read(version, REFERENCE_NAME))
    except (NotFound, ValidationError):
        return None


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m modelloop_predictor.replay", description=__doc__)
    parser.add_argument("--run", required=True, help="name of the run, which its outcome has")
    parser.add_argument("--against", required=True, help="version whose captured requests are asked again")
    parser.add_argument("--target", required=True, help="address of the version that is tried")
    parser.add_argument("--rows", type=int, default=500, help="how many of the newest requests")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run; 0 once the outcome is written, 1 when another try may help, 78 when none can."""
    asked = _arguments(words)
    try:
        settings = read_settings()
    except SettingsError as error:
        logs.configure({})
        return _failed(TERMINATION_LOG, "BadSettings", str(error), EXIT_PERMANENT)
    logs.configure({"model": settings.model_name, "version": settings.model_version, "run": asked.run})
    try:
        found = run(_store(settings), settings, asked)
    except (StoreError, RegistryError, Unreached, ValidationError) as error:
        return _failed(settings.termination_log, type(error).__name__, str(error), 1)
    logs.event("replayed", reason="Replayed", **found.model_dump(mode="json", exclude={"run", "version", "kind"}))
    return 0


def _store(settings: PredictorEnvironment) -> ObjectStore:
    return open_store(
        settings.registry_uri,
        endpoint=settings.registry_endpoint,
        region=settings.registry_region,
        ca_file=settings.registry_ca_file,
    )


def _failed(termination_log: str, reason: str, message: str, code: int) -> int:
    logs.event("replay-failed", logging.ERROR, reason=reason, message=message)
    write_termination_log(termination_log, reason, message)
    return code


if __name__ == "__main__":
    sys.exit(main())
