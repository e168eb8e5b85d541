"""When a failure counts no more, so that its version is tried anew."""

from __future__ import annotations

from modelloop_core.versions import Version, VersionRange
from modelloop_operator.decide.decisions import Forget
from modelloop_operator.decide.failures import pods_digest
from modelloop_operator.decide.observation import Observation
from modelloop_operator.decide.selection import wanted_range


def forgivable(seen: Observation) -> Forget | None:
    """Failures of other pods than the spec now asks for, and of versions that the pin has moved away from."""
    failures, spec, wanted = seen.model.status.failedVersions, seen.model.spec, wanted_range(seen)
    pods = pods_digest(spec)
    changed = tuple(Version.parse(failure.version) for failure in failures if failure.podsDigest not in (None, pods))
    if changed:
        return Forget(changed, "PodsChanged", f"spec says other things about its pods since {_names(changed)} failed")
    moved = (Version.parse(failure.version) for failure in failures if failure.pin != spec.version)
    away = tuple(version for version in moved if isinstance(wanted, VersionRange) and version not in wanted)
    if away:
        return Forget(away, "PinMoved", f"spec.version moved away from {_names(away)}; a later try starts anew")
    return None


def _names(versions: tuple[Version, ...]) -> str:
    return ", ".join(map(str, versions))
