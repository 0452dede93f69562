"""Copies by bits are copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from twinstorm.detectors.blocks import put

DTYPES = (np.uint8, np.int32, np.int64, np.float32, np.float64)


@given(st.data(), st.sampled_from(DTYPES), st.integers(0, 40))
def test_put_is_copyto(data: st.DataObject, dtype: Any, n: int) -> None:
    def drawn(of: Any, shape: Any) -> Any:
        return data.draw(arrays.arrays(of, shape))

    target, source, where = drawn(dtype, (3, n)), drawn(dtype, (3, n)), drawn(np.bool_, n)
    expected = target.copy()
    np.copyto(expected, source, where=where)
    put(target, source, where)
    assert target.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_put_takes_one_value_for_all_and_views(dtype: Any) -> None:
    whole = np.arange(40).astype(dtype).reshape(4, 10)
    expected = whole.copy()
    where = np.arange(6) % 2 == 0
    expected[1:3, 2:8][:, where] = 7
    put(whole[1:3, 2:8], np.asarray(7, dtype), where)
    assert np.array_equal(whole, expected)
    turned = np.asfortranarray(np.arange(12).astype(dtype).reshape(6, 2))
    put(whole[:2, :6], turned.T, where)
    expected[:2, :6][:, where] = turned.T[:, where]
    assert np.array_equal(whole, expected)
