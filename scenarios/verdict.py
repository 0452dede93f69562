"""From what was found to one word and one exit code."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from twinstorm.scenarios.result import RunResult

HELD, MISSED, INCONCLUSIVE = "held", "missed", "inconclusive"


class ExitCode(IntEnum):
    HELD = 0
    MISSED = 1
    USAGE = 2
    """Command line or scenario wrong; nothing ran."""
    INCONCLUSIVE = 3
    UNAVAILABLE = 4
    """Port, disk, broker or memory."""
    STOPPED = 5
    """Stop condition, abort or `--max-wall`."""
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


PRECEDENCE = (
    ExitCode.BUG,
    ExitCode.TERMINATED,
    ExitCode.INTERRUPTED,
    ExitCode.UNAVAILABLE,
    ExitCode.STOPPED,
    ExitCode.MISSED,
    ExitCode.INCONCLUSIVE,
    ExitCode.HELD,
)
"""Of several scenarios the first of these that occurred is the answer."""


def overall(verdicts: Iterable[str], bit: bool) -> str:
    """Missed beats inconclusive beats held; a fault that left no evidence makes the run inconclusive.

    Args:
        verdicts: of every expectation, written or implied.
        bit: every fault of the scenario left evidence.
    """
    found = set(verdicts)
    if MISSED in found:
        return MISSED
    return INCONCLUSIVE if INCONCLUSIVE in found or not bit else HELD


def exit_code(result: RunResult) -> ExitCode:
    """Exit code of one run."""
    if result.ended == "interrupted":
        return ExitCode.INTERRUPTED
    if result.ended in ("stopped", "aborted"):
        return ExitCode.STOPPED
    return {HELD: ExitCode.HELD, MISSED: ExitCode.MISSED, INCONCLUSIVE: ExitCode.INCONCLUSIVE}[result.verdict]
