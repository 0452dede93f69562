"""Campaigns of random cases: some in the gate, always the same, and many more by `make nightly`, always others."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings


def campaign(gate: int, nightly: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator like hypothesis' `settings`, above `given`.

    Args:
        gate: cases that every build plays.
        nightly: cases that `make nightly` plays, which asks for other examples each time.
    """
    cases = nightly if os.environ.get("TWINSTORM_HYPOTHESIS") == "explore" else gate

    def mark(test: Callable[..., Any]) -> Callable[..., Any]:
        marked: Callable[..., Any] = pytest.mark.campaign(settings(max_examples=cases, deadline=None)(test))
        return marked

    return mark
