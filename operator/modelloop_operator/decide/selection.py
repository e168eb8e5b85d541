"""Which version an MLModel should serve: the newest eligible one of its range."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from modelloop_core.api.status import FailedVersion
from modelloop_core.versions import InvalidVersion, Version, VersionRange
from modelloop_operator.decide.failures import told
from modelloop_operator.decide.observation import Catalog, CatalogUnknown, Observation


@dataclass(frozen=True)
class Nothing:
    """No version can be chosen, and why."""

    reason: str
    message: str


def select(seen: Observation) -> Version | Nothing:
    """The newest version that is in range, complete, of the right task, not failed here and not older than stable.

    Where stable itself failed here it is the one that was live before, whatever the range says.
    """
    if is_condemned(seen) and (before := previous(seen)) is not None:
        return before
    wanted = wanted_range(seen)
    if isinstance(wanted, Nothing):
        return wanted
    if isinstance(seen.catalog, CatalogUnknown):
        return Nothing(seen.catalog.reason, seen.catalog.message)
    if wanted is not None and wanted.pin is not None:
        return _pinned(wanted.pin, seen, seen.catalog)
    floor = seen.stable
    in_range = [v for v in seen.catalog.releases if (v.prerelease is None if wanted is None else v in wanted)]
    eligible = [v for v in in_range if not _unfit(v, seen, seen.catalog) and not _older(v, floor, wanted)]
    if eligible:
        return max(eligible)
    return _why_nothing(seen, seen.catalog, wanted, in_range)


def wanted_range(seen: Observation) -> VersionRange | Nothing | None:
    """The range to choose from: spec.version, else the major that is live, else (None) any release."""
    text = seen.model.spec.version
    if text is None:
        return VersionRange.within_major(seen.stable) if seen.stable else None
    try:
        return VersionRange.parse(text)
    except InvalidVersion as error:
        # CEL cannot compare versions, so the API server takes ranges like >2 <1. What is live needs care even so.
        return Nothing("InvalidSpec", f"spec.version: {error}")


def awaits_a_yes(seen: Observation) -> Version | None:
    """The newest version of another signature than the live one's, which no range asks for: only a person's word does.

    A failed one, or one of another task, would not serve after a yes either.
    """
    if seen.model.spec.version is not None or seen.stable is None or not isinstance(seen.catalog, Catalog):
        return None
    live, within, catalog = seen.stable, VersionRange.within_major(seen.stable), seen.catalog
    newer = (version for version in catalog.releases if version > live and version.prerelease is None)
    return max((v for v in newer if v not in within and not _unfit(v, seen, catalog)), default=None)


def is_condemned(seen: Observation) -> bool:
    """Whether what is live failed here since it went live."""
    return seen.stable is not None and str(seen.stable) in _failed(seen)


def previous(seen: Observation) -> Version | None:
    """The version that was live before the present one and has not failed here, if there is one."""
    failed, live = _failed(seen), str(seen.stable)
    earlier = (entry.version for entry in reversed(seen.model.status.history))
    found = next((version for version in earlier if version != live and version not in failed), None)
    return Version.parse(found) if found is not None else None


def _failed(seen: Observation) -> set[str]:
    return {failure.version for failure in seen.model.status.failedVersions}


def holding_back(failures: Iterable[FailedVersion], seen: Observation) -> list[FailedVersion]:
    """Those failures without which a newer version would be wanted than the one that is live."""
    wanted, live = wanted_range(seen), seen.stable
    if isinstance(wanted, Nothing):
        return []
    return [
        failure
        for failure, version in ((failure, Version.parse(failure.version)) for failure in failures)
        if (wanted is None or version in wanted) and (live is None or version > live)
    ]


def _pinned(pin: Version, seen: Observation, catalog: Catalog) -> Version | Nothing:
    if pin in catalog.releases:
        unfit = _unfit(pin, seen, catalog)
        return unfit or pin
    if pin in catalog.broken:
        return Nothing("VersionBroken", f"{pin} cannot be read: {catalog.broken[pin]}")
    return Nothing("VersionNotFound", f"{pin} is not in the registry; {_what_there_is(catalog)}")


def _unfit(version: Version, seen: Observation, catalog: Catalog) -> Nothing | None:
    task, found = seen.model.spec.task, catalog.releases[version].task
    if task is not None and found is not task:
        return Nothing("TaskDiffers", f"{version} is a {found.value} model but spec.task is {task.value}")
    for failure in seen.model.status.failedVersions:
        if failure.version == str(version):
            return Nothing(*told(failure, seen.model.metadata.name))
    return None


def _older(version: Version, floor: Version | None, wanted: VersionRange | None) -> bool:
    # A range that excludes what is live asks for another one, so "older" is no objection then.
    return floor is not None and version < floor and (wanted is None or floor in wanted)


def _why_nothing(
    seen: Observation, catalog: Catalog, wanted: VersionRange | None, in_range: list[Version]
) -> Version | Nothing:
    if seen.stable is not None and (wanted is None or seen.stable in wanted):
        return seen.stable
    reasons = [unfit for version in sorted(in_range, reverse=True) if (unfit := _unfit(version, seen, catalog))]
    if reasons:
        return reasons[0]
    if not catalog.releases:
        return Nothing("NoVersions", f"the registry has no complete version; {_what_there_is(catalog)}")
    if wanted is None:
        return Nothing("NoVersionInRange", f"there are only pre-releases, which need a pin; {_what_there_is(catalog)}")
    return Nothing("NoVersionInRange", f"no version is in {wanted.text!r}; {_what_there_is(catalog)}")


def _what_there_is(catalog: Catalog) -> str:
    newest = ", ".join(str(version) for version in sorted(catalog.releases, reverse=True)[:5])
    broken = "; ".join(f"{version}: {why}" for version, why in sorted(catalog.broken.items(), reverse=True)[:2])
    there_is = f"it has {newest}" if newest else "publish one with `modelloop publish`"
    return f"{there_is}; unusable: {broken}" if broken else there_is
