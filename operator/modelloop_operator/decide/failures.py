"""What is held against a version that was tried here: whose fault it was, and what must change before another try."""

from __future__ import annotations

import hashlib
import json

from modelloop_core.api.spec import MLModelSpec
from modelloop_core.api.status import FailedVersion

NOT_THE_VERSIONS_FAULT = frozenset(
    {"BadSettings", "CacheUnwritable", "FallbackInvalid", "ProgressDeadlineExceeded", "RuntimeMissing"}
)
"""Reasons that the spec or the cluster is to blame for: the same version may serve once these are mended."""


ROLLED_BACK = frozenset(
    {
        "ABLost",
        "ABUndecided",
        "Aborted",
        "EvidenceFailed",
        "InconclusiveDeadlineExceeded",
        "KeepsCrashing",
        "KeepsFailing",
        "RolledBackByRequest",
    }
)
"""Reasons of versions that had pods which served, and were taken back for what they did or because somebody said so."""


NOT_THE_PODS_FAULT = ROLLED_BACK | {"ReplayFailed"}
"""Reasons that other pods would not mend: only a moved pin or a person's word lets these versions be tried again."""


def pods_digest(spec: MLModelSpec) -> str:
    """Digest of all that a spec says about its pods but their number; another one makes another try worth it."""
    # Without defaults: a field that a later release adds must not look like a change.
    serving = spec.serving.model_dump(mode="json", exclude={"replicas"}, exclude_defaults=True)
    said = [serving, spec.registry.model_dump(mode="json", exclude_defaults=True), spec.task]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def blames_version(failure: FailedVersion) -> bool:
    """Whether the version itself is at fault, here as anywhere else."""
    return failure.reason not in NOT_THE_VERSIONS_FAULT


def told(failure: FailedVersion, name: str) -> tuple[str, str]:
    """Why the MLModel `name` does not try this version again: a reason, and what was found with what to do."""
    again = f"`kubectl mlmodel retry {name}` tries it again"
    found = f"({failure.reason}): {failure.message}"
    if blames_version(failure):
        return "VersionFailed", f"{failure.version} failed here {found}; {again}"
    return (
        "PodsFailed",
        f"{failure.version} could not run with this spec in this cluster {found}; mend either, then {again}",
    )
