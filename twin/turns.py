"""Who answers for something that several faults do at once: the one that came first, then the next."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Turns:
    """Steps that keep something down, in the order in which they began; plain data.

    Example:
        >>> turns = Turns()
        >>> turns.begin("long", 0)
        >>> turns.begin("inner", 10)
        >>> turns.begin("late", 20)
        >>> turns.end("inner", 30), turns.end("long", 100), turns.end("late", 110)
        (0, 100, 10)
    """

    _steps: list[str] = field(default_factory=list)
    _since_us: int = 0
    """From when the first of them answers."""

    def begin(self, step: str, at_us: int) -> None:
        if not self._steps:
            self._since_us = at_us
        self._steps.append(step)

    def end(self, step: str, at_us: int) -> int:
        """Returns for how long this step alone was the reason, microseconds."""
        answered_us = at_us - self._since_us if self._steps[0] == step else 0
        if answered_us:
            self._since_us = at_us
        self._steps.remove(step)
        return answered_us
