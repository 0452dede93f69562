"""From what was found to one word and one exit code."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from twinstorm.scenarios.result import RunResult, Verdict

HELD: Final = "held"
MISSED: Final = "missed"
INCONCLUSIVE: Final = "inconclusive"


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


def overall(verdicts: Iterable[Verdict], bit: bool) -> Verdict:
    """Missed beats inconclusive beats held; a fault that left no evidence makes the run inconclusive, and so does a
    scenario that expects nothing.

    Args:
        verdicts: of every expectation, written or implied.
        bit: every fault of the scenario left evidence.
    """
    found = set(verdicts)
    if MISSED in found:
        return MISSED
    return HELD if found == {HELD} and bit else INCONCLUSIVE


def exit_code(result: RunResult) -> ExitCode:
    """Exit code of one run. A ledger that does not close is a bug of twinstorm, whatever else the run shows."""
    if not result.ledger.closes:
        return ExitCode.BUG
    if result.ended == "interrupted":
        return ExitCode.INTERRUPTED
    if result.ended in ("stopped", "aborted"):
        return ExitCode.STOPPED
    return {HELD: ExitCode.HELD, MISSED: ExitCode.MISSED, INCONCLUSIVE: ExitCode.INCONCLUSIVE}[result.verdict]
