"""A detector that breaks its contract is taken out of the run, and the run goes on.

One that stalls is interrupted by the system's alarm. That is the only thing below the screens that the wall decides: it
turns a run that would never end into one that says why, and no run that ends by itself is another one by it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twinstorm.twin.flow import Values


class _StalledError(BaseException):
    """A call takes too long. No `Exception`, so that no detector takes it for one of its own."""


AGAIN_S: Final = 1.0
"""One that will not be interrupted is told again."""
LONGEST_S: Final = 10.0
"""What one call of a detector may take, in seconds of the wall: a thousand times what any of ours takes for a million
devices."""


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
def fenced(method: str, detector: object) -> Iterator[None]:
    """Call a method of a detector.

    Raises:
        BrokenError: in place of what the method raises, SystemExit too: no detector ends a run; and if it is somebody
            else's and does not come back.
    """
    try:
        with _bounded(method, detector):
            yield
    except (BrokenError, MemoryError):
        raise
    except _StalledError as stalled:
        raise BrokenError(str(stalled)) from None
    except (Exception, SystemExit) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise BrokenError(f"`{method}` raised {text}") from error


def _bounded(method: str, detector: object) -> AbstractContextManager[None]:
    """Interrupt a call that takes too long: of detectors that are not ours, where the system can do that."""
    ours = type(detector).__module__.partition(".")[0] == __name__.partition(".")[0]
    if ours or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return nullcontext()
    return _alarmed(method)


@contextmanager
def _alarmed(method: str) -> Iterator[None]:
    def stop(*_: Any) -> None:
        if is_going:
            raise _StalledError(f"`{method}` did not come back within {LONGEST_S:g} s")

    is_going = True
    # Somebody else may wait for an alarm, such as whoever runs the tests: it comes when it would have come.
    others_s, others_every_s = signal.getitimer(signal.ITIMER_REAL)
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S, AGAIN_S)
    try:
        yield
    finally:
        is_going = False
        left_s, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others_s:
            signal.setitimer(signal.ITIMER_REAL, max(others_s - (LONGEST_S - left_s), 1e-6), others_every_s)


def checked(score: Values, devices: int) -> Values:
    """A detector's scores.

    Raises:
        BrokenError: these are none.
    """
    if not isinstance(score, np.ndarray) or score.shape != (devices,) or score.dtype != np.float32:
        told = f"{score.dtype} {score.shape}" if isinstance(score, np.ndarray) else type(score).__name__
        raise BrokenError(f"`score` gave {told}, not float32 ({devices},)")
    return score
