from __future__ import annotations

import numpy as np
import pytest

from modelloop_predictor.telemetry.buffer import BLOCK_ROWS, RowBuffer


def given(buffer: RowBuffer, rows: int, first: float = 0.0, width: int = 2) -> None:
    buffer.hear([], np.full((rows, width), first), [first] * rows)


def test_what_was_heard_comes_out_in_order_with_its_answers() -> None:
    buffer = RowBuffer(2)
    buffer.hear([], np.array([[1.0, 2.0], [3.0, 4.0]]), [0.1, 0.2])
    buffer.hear([], np.array([[5.0, 6.0]]), [0.3])
    block = buffer.take()
    assert block is not None
    assert block[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert block[1].tolist() == [0.1, 0.2, 0.3]
    assert buffer.take() is None


def test_answers_of_several_values_keep_their_shape() -> None:
    buffer = RowBuffer(1)
    buffer.hear([], np.array([[1.0], [2.0]]), [[0.1, 0.9], [0.4, 0.6]])
    block = buffer.take()
    assert block is not None
    assert block[1].tolist() == [[0.1, 0.9], [0.4, 0.6]]


@pytest.mark.parametrize(("rows", "due"), [(BLOCK_ROWS - 1, False), (BLOCK_ROWS, True)])
def test_a_block_wakes_the_thread(rows: int, due: bool) -> None:
    buffer = RowBuffer(2)
    given(buffer, rows)
    assert buffer.due.is_set() == due
    assert (buffer.take(least=BLOCK_ROWS) is not None) == due


def test_what_finds_no_room_is_dropped_and_counted() -> None:
    buffer = RowBuffer(2)
    given(buffer, 1 << 16)
    given(buffer, 3)
    assert (buffer.rows, buffer.dropped) == (1 << 16, 3)
    while buffer.take() is not None:
        pass
    given(buffer, 3)
    assert (buffer.rows, buffer.dropped) == (3, 3)


def test_wide_rows_have_less_room_but_a_block_of_them_still_comes_due() -> None:
    buffer = RowBuffer(4096)
    given(buffer, 512, width=4096)
    given(buffer, 1, width=4096)
    assert (buffer.rows, buffer.dropped) == (512, 1)
    assert buffer.due.is_set()
    assert buffer.take(least=BLOCK_ROWS) is not None


def test_a_request_larger_than_all_room_is_taken_where_nothing_waits() -> None:
    buffer = RowBuffer(4096)
    given(buffer, 600, width=4096)
    assert (buffer.rows, buffer.dropped) == (600, 0)
