"""Which row groups make which shard."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelloop_batch.planning import SHARD_ROWS, Footer, cut
from modelloop_core.storage.port import ObjectInfo


def footers(*groups: tuple[int, ...]) -> list[Footer]:
    """Files by the rows of their row groups."""
    return [Footer(ObjectInfo(f"{place}.parquet", 1, "e"), pa.schema([]), rows) for place, rows in enumerate(groups)]


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=6), min_size=1, max_size=6).filter(
        lambda files: any(rows for groups in files for rows in groups)
    ),
    st.integers(1, 12),
)
def test_every_row_group_is_in_one_shard_and_in_its_order(files: list[list[int]], wanted: int) -> None:
    shards = cut(footers(*map(tuple, files)), wanted)
    found = [(part.file, group) for shard in shards for part in shard.parts for group in part.row_groups]
    expected = [
        (f"{file}.parquet", place) for file, groups in enumerate(files) for place, rows in enumerate(groups) if rows
    ]
    assert found == expected
    assert len(shards) == min(wanted, len(expected))
    assert all(shard.rows for shard in shards)
    assert sum(shard.rows for shard in shards) == sum(map(sum, files))
    for shard in shards:
        for part in shard.parts:
            groups = files[int(part.file.removesuffix(".parquet"))]
            assert part.first_row == sum(groups[: part.row_groups[0]])
            assert part.rows == sum(groups[place] for place in part.row_groups)


@pytest.mark.parametrize(
    ("groups", "wanted", "expected"),
    [
        ((10,) * 8, 4, [20, 20, 20, 20]),
        ((10,) * 8, 3, [30, 20, 30]),
        ((100, 1, 1, 1), 2, [100, 3]),
        ((1, 1, 1, 100), 2, [3, 100]),
        ((5,), 4, [5]),
        ((SHARD_ROWS,) * 3, None, [SHARD_ROWS] * 3),
        ((SHARD_ROWS // 4,) * 6, None, [3 * SHARD_ROWS // 4] * 2),
        ((1000,) * 5, None, [5000]),
    ],
    ids=["even", "nearly even", "large first", "large last", "fewer groups", "by size", "small groups", "small table"],
)  # fmt: skip
def test_shards_are_about_as_large(groups: tuple[int, ...], wanted: int | None, expected: list[int]) -> None:
    assert [shard.rows for shard in cut(footers(groups), wanted)] == expected
