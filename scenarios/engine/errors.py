"""What ends a run before it can say anything about the scenario."""

from __future__ import annotations


class EngineError(Exception):
    """Root of the engine's own errors."""


class Unavailable(EngineError):
    """A port, disk, broker or memory that the run needs is not there (exit 4).

    Attributes:
        what: the thing, e.g. ``port 1883``.
        why: what the system said.
        hint: one thing to try.
    """

    def __init__(self, what: str, why: str, hint: str) -> None:
        super().__init__(what, why, hint)
        self.what, self.why, self.hint = what, why, hint

    def __str__(self) -> str:
        return f"{self.what} is not available: {self.why}. {self.hint}"


class Refused(EngineError):
    """A command that cannot be done now, and why (a front end shows the text)."""


class BadRequest(EngineError):
    """The command line asks for something that does not go together (exit 2)."""
