"""Sums of very many very small parts in float32: wear over years, joules out of a battery."""

from __future__ import annotations

import numpy as np

from twinstorm.twin.flow import Values


def add_to(total: Values, rest: Values, part: Values) -> None:
    """Add `part` to a sum without losing what is below the sum's last bit (Kahan).

    Args:
        total: float32 (n,), the sum; changed in place.
        rest: float32 (n,), what `total` could not hold so far, 0 at the start; changed in place.
        part: float32 (n,), small against `total`; overwritten.
    """
    part += rest
    np.copyto(rest, total)
    total += part
    rest -= total
    rest += part
