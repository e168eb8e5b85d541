"""Which number a new version gets, and whether a number somebody chose says what it must."""

from __future__ import annotations

from dataclasses import dataclass, replace

from modelloop_core.feature_schema import Feature, NumericFeature, Signature
from modelloop_core.publishing.errors import PublishError
from modelloop_core.registry import Registry
from modelloop_core.storage.port import NotFound
from modelloop_core.versions import Bump, Version, next_version


@dataclass(frozen=True)
class Numbering:
    """What is there, as far as it matters for the number of a version with `signature`."""

    taken: tuple[Version, ...]
    signature: Signature
    newest_of_major: dict[int, Signature]

    @classmethod
    def read(cls, registry: Registry, signature: Signature) -> Numbering:
        """Look at the newest release of each major; a registry that has no folder yet is empty."""
        try:
            taken = registry.versions()
        except NotFound:
            taken = ()
        newest = {version.major: version for version in taken if version.prerelease is None}
        signatures = {major: registry.manifest(version).signature for major, version in newest.items()}
        return cls(taken, signature, signatures)

    def next(self) -> Version:
        """1.0.0, a minor when callers of the newest release are served as before, else a major."""
        newest = max(self.newest_of_major, default=None)
        same = newest is not None and self.signature.accepts_callers_of(self.newest_of_major[newest])
        return next_version(self.taken, Bump.MINOR if same or newest is None else Bump.MAJOR)

    def check(self, version: Version) -> None:
        """Raise PublishError when `version` would change the signature within a major."""
        there = self.newest_of_major.get(version.major)
        if there is None or self.signature.accepts_callers_of(there):
            return
        change = _change(there, self.signature)
        raise PublishError(
            f"version {version} would change what callers of {version.major}.x send or get: {change}",
            f"publish it as {next_version(self.taken, Bump.MAJOR)}",
        )

    def beyond(self, version: Version) -> Numbering:
        """The same with `version` taken too, which somebody else is writing."""
        return replace(self, taken=(*self.taken, version))


def _change(before: Signature, after: Signature) -> str:
    gone = [name for name in before.feature_names if name not in after.feature_names]
    new = [name for name in after.feature_names if name not in before.feature_names]
    if gone or new:
        changes = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(new)}"] * bool(new)
        return " and ".join(changes)
    if before.feature_names != after.feature_names:
        return f"the order of the features is {', '.join(after.feature_names)}"
    pairs = list(zip(before.inputs, after.inputs, strict=True))
    retyped = [one.name for one, other in pairs if _type(one) != _type(other)]
    if retyped:
        return f"another type of {', '.join(retyped)}"
    narrowed = [f"{one.name} ({_lost(one, other)})" for one, other in pairs if not other.accepts_values_of(one)]
    return f"fewer values of {', '.join(narrowed)}" if narrowed else f"the output is {after.output!r}"


def _type(feature: Feature) -> tuple[str, str]:
    return feature.kind, getattr(feature, "dtype", "")


def _lost(before: Feature, after: Feature) -> str:
    if before.nullable and not after.nullable:
        return "no null"
    if isinstance(before, NumericFeature) and isinstance(after, NumericFeature):
        return f"only {_range(after)}, not {_range(before)}"
    gone = [repr(level) for level in getattr(before, "levels", ()) if level not in getattr(after, "levels", ())]
    return f"no {', '.join(gone[:5])}" if gone else "no unknown level"


def _range(feature: NumericFeature) -> str:
    low = "" if feature.minimum is None else f"{feature.minimum:g}"
    high = "" if feature.maximum is None else f"{feature.maximum:g}"
    return f"[{low}, {high}]"
