"""Versions are ordered as SemVer orders, and a range holds what a person who wrote it expects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelloop_core.versions import Bump, InvalidVersion, Version, VersionRange, next_version

numbers = st.integers(min_value=0, max_value=30)
identifiers = st.one_of(numbers.map(str), st.sampled_from(["alpha", "beta", "candidate", "rc-1", "0a"]))
prereleases = st.none() | st.lists(identifiers, min_size=1, max_size=3).map(".".join)
versions = st.builds(Version, numbers, numbers, numbers, prereleases)
releases = st.builds(Version, numbers, numbers, numbers)
operators = st.sampled_from(["", "^", "~", ">=", ">", "<", "<=", "="])
partials = st.one_of(
    numbers.map(str),
    st.tuples(numbers, numbers).map(lambda pair: f"{pair[0]}.{pair[1]}"),
    st.tuples(numbers, numbers).map(lambda pair: f"{pair[0]}.{pair[1]}.x"),
)


@given(versions)
def test_a_version_survives_being_written_and_read(version: Version) -> None:
    assert Version.parse(str(version)) == version
    assert Version.parse(version.served_name) == version


@given(versions, versions, versions)
def test_versions_are_totally_ordered(one: Version, two: Version, three: Version) -> None:
    assert (one < two) + (one == two) + (one > two) == 1
    low, middle, high = sorted([one, two, three])
    assert low <= middle <= high
    assert low <= high


@given(releases, identifiers)
def test_a_pre_release_comes_before_its_release(release: Version, identifier: str) -> None:
    assert Version(*release.release, identifier) < release


def test_the_order_of_the_specification_example() -> None:
    suffixes = ("-alpha", "-alpha.1", "-alpha.beta", "-beta", "-beta.2", "-beta.11", "-rc.1", "")
    ordered = [f"1.0.0{suffix}" for suffix in suffixes]
    assert [str(version) for version in sorted(map(Version.parse, reversed(ordered)))] == ordered


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "01.2.3", "1.2.3+build", "vv1.2.3", "latest", "1.2.3-", "1.2.3-01", "١.٢.٣", "9" * 65]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidVersion):
        Version.parse(text)


@given(versions, versions)
def test_an_exact_pin_holds_that_version_alone(pinned: Version, other: Version) -> None:
    pin = VersionRange.parse(str(pinned))
    assert pinned in pin
    assert (other in pin) == (other == pinned)


@given(releases, releases)
def test_a_caret_range_is_what_is_not_older_within_the_major(low: Version, other: Version) -> None:
    expected = other.release >= low.release and other.major == low.major
    if low.major:
        assert (other in VersionRange.parse(f"^{low}")) == expected


@given(releases, releases)
def test_a_tilde_range_is_what_is_not_older_within_the_minor(low: Version, other: Version) -> None:
    expected = other.release >= low.release and other.release[:2] == low.release[:2]
    assert (other in VersionRange.parse(f"~{low}")) == expected


@given(releases, releases)
def test_comparators_split_all_releases_in_two(limit: Version, other: Version) -> None:
    assert (other in VersionRange.parse(f">={limit}")) == (limit <= other)
    assert (other in VersionRange.parse(f">{limit}")) == (limit < other)
    assert (other in VersionRange.parse(f"<={limit}")) == (other <= limit)
    if limit.release != (0, 0, 0):
        assert (other in VersionRange.parse(f"<{limit}")) == (other < limit)


@given(operators, partials, operators, partials, releases)
def test_conditions_joined_hold_exactly_what_each_holds(
    first: str, one: str, second: str, two: str, version: Version
) -> None:
    parts = [part for part in (_parse(first + one), _parse(second + two)) if part]
    joined = _parse(f"{first}{one} {second}{two}")
    expected = len(parts) == 2 and all(version in part for part in parts)
    assert expected == (joined is not None and version in joined)


@given(operators, partials, versions)
def test_only_an_exact_pin_holds_a_pre_release(operator: str, partial: str, version: Version) -> None:
    held = _parse(operator + partial)
    if held is not None and version.prerelease is not None:
        assert version not in held


@given(st.lists(versions, max_size=8), partials)
def test_newest_is_the_highest_version_in_the_range(candidates: list[Version], partial: str) -> None:
    held = VersionRange.parse(partial)
    newest = held.newest(candidates)
    inside = [version for version in candidates if version in held]
    assert newest == (max(inside) if inside else None)


@given(releases)
def test_the_range_within_the_major_holds_the_version_itself(version: Version) -> None:
    assert version in VersionRange.within_major(version)
    assert Version(version.major + 1, 0, 0) not in VersionRange.within_major(version)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("1", "1.9.9", "2.0.0"),
        ("v1.2", "1.2.7", "1.3.0"),
        ("1.2.x", "1.2.0", "1.3.0"),
        ("1.*", "1.7.0", "2.0.0"),
        ("~1", "1.9.0", "2.0.0"),
        ("^0.3", "0.3.9", "0.4.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        (">= 1.0 < 2", "1.5.0", "2.0.0"),
        (">1.2, <=1.4", "1.4.9", "1.2.9"),
        ("=1.2", "1.2.3", "1.3.0"),
        ("=v1.2.3", "1.2.3", "1.2.4"),
        ("2.1.0-candidate.1", "2.1.0-candidate.1", "2.1.0"),
    ],
)
def test_a_range_as_people_write_it(text: str, inside: str, outside: str) -> None:
    held = VersionRange.parse(text)
    assert Version.parse(inside) in held
    assert Version.parse(outside) not in held


@pytest.mark.parametrize(
    "text", ["", "  ", "newest", "1.x.3", "^1.2.3-rc.1", ">2 <1", "1.2.3 ^1", "^^1", "1..2", "^01", "1.2.3.4", "<0"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidVersion):
        VersionRange.parse(text)


def _parse(text: str) -> VersionRange | None:
    try:
        return VersionRange.parse(text)
    except InvalidVersion:
        return None


@pytest.mark.parametrize(
    ("taken", "bump", "after", "expected"),
    [
        ([], Bump.MINOR, None, "1.0.0"),
        (["1.0.0"], Bump.MINOR, None, "1.1.0"),
        (["1.0.0", "1.9.4"], Bump.PATCH, None, "1.9.5"),
        (["1.0.0", "2.3.1"], Bump.MAJOR, None, "3.0.0"),
        (["1.0.0", "1.4.0", "2.3.1"], Bump.MINOR, "1.0.0", "1.5.0"),
        (["1.4.0", "1.4.7", "1.5.0"], Bump.PATCH, "1.4.0", "1.4.8"),
        (["1.0.0", "2.0.0"], Bump.MAJOR, "1.0.0", "3.0.0"),
        (["1.0.0", "1.1.0-candidate.1"], Bump.MINOR, None, "1.1.0"),
        (["3.0.0-rc.1"], Bump.MINOR, None, "1.0.0"),
    ],
)
def test_the_next_version(taken: list[str], bump: Bump, after: str | None, expected: str) -> None:
    start = Version.parse(after) if after else None
    assert str(next_version(map(Version.parse, taken), bump, start)) == expected


@given(st.lists(versions, max_size=6), st.sampled_from(Bump), st.none() | versions)
def test_the_next_version_is_free_and_newer(taken: list[Version], bump: Bump, after: Version | None) -> None:
    found = next_version(taken, bump, after)
    assert found not in taken
    assert after is None or found > after
