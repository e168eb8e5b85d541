"""Semantic versions and ranges of model versions, as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering

import semver

_NUMBER = r"0|[1-9][0-9]*"
_PARTIAL = rf"v?({_NUMBER})(?:\.({_NUMBER}|x|\*))?(?:\.({_NUMBER}|x|\*))?(-[0-9A-Za-z.-]+)?"
_CLAUSE = re.compile(rf"^(\^|~|>=|<=|>|<|=)?\s*{_PARTIAL}$")
_MAX_LENGTH = 63  # a version is the value of a label, and so may not end in "-" either
_RANGE_LENGTH = 64


_IDENTIFIER = r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_PRERELEASE = rf"-({_IDENTIFIER}[.])*(0|[1-9][0-9]*|[0-9]*[A-Za-z]|[0-9]*[A-Za-z-][0-9A-Za-z-]*[0-9A-Za-z])"

WHOLE_FORM = r"(0|[1-9][0-9]{0,8})"
EXACT_FORM = rf"{WHOLE_FORM}[.]{WHOLE_FORM}[.]{WHOLE_FORM}({_PRERELEASE})?"
"""Pattern of one number of a version, and of a whole version; the API server knows them as well."""


class InvalidVersion(ValueError):
    """The text is not a semantic version or range; the message says what is accepted."""


@total_ordering
@dataclass(frozen=True)
class Version:
    """A semantic version without build metadata; ordered as SemVer 2.0.0 section 11 orders."""

    major: int
    minor: int
    patch: int
    prerelease: str | None = None

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `1.2.3` or `v1.2.3`, pre-releases included; raises InvalidVersion otherwise."""
        try:
            if len(text) > _MAX_LENGTH:
                raise ValueError(f"longer than {_MAX_LENGTH} characters")
            if not text.isascii():
                raise ValueError("holds characters outside ASCII")
            parsed = semver.Version.parse(text.removeprefix("v"))
        except (ValueError, TypeError) as error:
            raise InvalidVersion(f"{text!r} is not a semantic version like '1.2.3'") from error
        if parsed.build is not None:
            raise InvalidVersion(f"{text!r} carries build metadata; versions of a model have none")
        if text.endswith("-"):
            raise InvalidVersion(f"{text!r} ends in '-'; end the pre-release in a letter or a digit")
        return cls(parsed.major, parsed.minor, parsed.patch, parsed.prerelease)

    def __str__(self) -> str:
        core = f"{self.major}.{self.minor}.{self.patch}"
        return f"{core}-{self.prerelease}" if self.prerelease else core

    def __lt__(self, other: Version) -> bool:
        return bool(semver.Version.parse(str(self)) < semver.Version.parse(str(other)))

    @property
    def release(self) -> tuple[int, int, int]:
        """The three numbers, without the pre-release."""
        return (self.major, self.minor, self.patch)

    @property
    def served_name(self) -> str:
        """The form answers carry (`v1.2.3`)."""
        return f"v{self}"


class Bump(StrEnum):
    """Which number a new version raises: changed signature, other model, same training on newer data."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"


FIRST = Version(1, 0, 0)


def next_version(taken: Iterable[Version], bump: Bump, after: Version | None = None) -> Version:
    """The free number that follows `after` (default: the newest release) by `bump`; 1.0.0 when there is none.

    A minor stays within the major of `after`, a patch within its minor, and the result is newer than all there.
    """
    releases = sorted(Version(*version.release) for version in taken if version.prerelease is None)
    if after is None and not releases:
        return FIRST
    base = Version(*after.release) if after else releases[-1]
    match bump:
        case Bump.MAJOR:
            return Version(max([base, *releases]).major + 1, 0, 0)
        case Bump.MINOR:
            return Version(base.major, max(v for v in [base, *releases] if v.major == base.major).minor + 1, 0)
        case Bump.PATCH:
            newest = max(v for v in [base, *releases] if v.release[:2] == base.release[:2])
            return Version(base.major, base.minor, newest.patch + 1)


@dataclass(frozen=True)
class VersionRange:
    """A set of versions: an exact pin, or half-open intervals of releases.

    `^1.2` stays within the major, `~1.2` within the minor, `1` and `1.2.x` mean any version that begins so,
    comparators joined by spaces or commas must all hold. Pre-releases are in an exact pin only.
    """

    text: str
    pin: Version | None
    lowest: tuple[int, int, int]
    below: tuple[int, int, int] | None

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Read a pin or range; raises InvalidVersion with the accepted forms."""
        clauses = [part for part in re.split(r"[\s,]+", re.sub(r"(>=|<=|>|<|=|\^|~)\s+", r"\1", text.strip())) if part]
        if not clauses or len(text) > _RANGE_LENGTH:
            raise InvalidVersion(_accepted(text))
        lowest: tuple[int, int, int] = (0, 0, 0)
        below: tuple[int, int, int] | None = None
        for clause in clauses:
            bounds = _bounds(clause, text)
            if isinstance(bounds, Version):
                if len(clauses) > 1:
                    raise InvalidVersion(f"{text!r} joins an exact version with other conditions; give one of the two")
                return cls(text, bounds, bounds.release, None)
            lowest = max(lowest, bounds[0])
            below = bounds[1] if below is None else min(below, bounds[1] or below)
        if below is not None and lowest >= below:
            raise InvalidVersion(f"{text!r} is a range that no version can be in")
        return cls(text, None, lowest, below)

    @classmethod
    def within_major(cls, version: Version) -> VersionRange:
        """The range an MLModel without `version` follows once something is live."""
        return cls.parse(f"^{version.major}" if version.major else f">=0.{version.minor} <1")

    def __contains__(self, version: Version) -> bool:
        if self.pin is not None:
            return version == self.pin
        if version.prerelease is not None:
            return False
        return self.lowest <= version.release and (self.below is None or version.release < self.below)

    def newest(self, versions: Iterable[Version]) -> Version | None:
        """The highest of `versions` in this range, or None."""
        return max((version for version in versions if version in self), default=None)


_Bounds = tuple[tuple[int, int, int], tuple[int, int, int] | None]


def _bounds(clause: str, text: str) -> Version | _Bounds:
    match = _CLAUSE.match(clause)
    if match is None:
        raise InvalidVersion(_accepted(text))
    operator, major_text, minor_text, patch_text, prerelease = match.groups()
    numbers = [int(part) for part in (major_text, minor_text, patch_text) if part and part not in "x*"]
    if operator in (None, "=") and len(numbers) == 3:
        return Version.parse(clause.removeprefix("="))
    if prerelease:
        raise InvalidVersion(f"{text!r} names a pre-release in a range; a pre-release is served by an exact pin only")
    if len(numbers) == 2 and minor_text in ("x", "*"):
        raise InvalidVersion(_accepted(text))
    floor = [*numbers, 0, 0]
    start = (floor[0], floor[1], floor[2])
    return _interval(operator, start, len(numbers))


def _interval(operator: str | None, start: tuple[int, int, int], given: int) -> _Bounds:
    major, minor, patch = start
    after_major, after_minor, after_patch = (major + 1, 0, 0), (major, minor + 1, 0), (major, minor, patch + 1)
    after_given = {1: after_major, 2: after_minor, 3: after_patch}[given]
    match operator:
        case None | "=":
            return start, after_given
        case "~":
            return start, after_major if given == 1 else after_minor
        case "^":
            if major or given == 1:
                return start, after_major
            return start, after_minor if minor or given == 2 else after_patch
        case ">=":
            return start, None
        case ">":
            return after_given, None
        case "<":
            return (0, 0, 0), start
        case _:
            return (0, 0, 0), after_given


def _accepted(text: str) -> str:
    return f"{text!r} is neither a version ('1.2.3') nor a range ('^1', '~1.2', '1.2.x', '>=1.0 <2')"
