"""A detector that breaks its contract is taken out of the run, and the run goes on.

What cannot be told from here is a detector that takes for ever: below the screens there is no clock of the wall.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from twinstorm.twin.flow import Values


class BrokenError(Exception):
    """What a detector did that it may not do; the text names the method."""


@dataclass(frozen=True, slots=True)
class TakenOut:
    """A detector that looks no more.

    Attributes:
        what: it did wrong.
    """

    name: str
    at_us: int
    what: str


@contextmanager
def fenced(method: str) -> Iterator[None]:
    """Call a method of a detector.

    Raises:
        BrokenError: in place of what the method raises, SystemExit too: no detector ends a run.
    """
    try:
        yield
    except (BrokenError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise BrokenError(f"`{method}` raised {text}") from error


def checked(score: Values, devices: int) -> Values:
    """A detector's scores.

    Raises:
        BrokenError: these are none.
    """
    if not isinstance(score, np.ndarray) or score.shape != (devices,) or score.dtype != np.float32:
        told = f"{score.dtype} {score.shape}" if isinstance(score, np.ndarray) else type(score).__name__
        raise BrokenError(f"`score` gave {told}, not float32 ({devices},)")
    return score
