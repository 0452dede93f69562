"""Whoever reads what a run tells may leave (`run ... | head -1`): then the run ends early, with its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twinstorm.scenarios.result import BudgetSink, EventRow, PaneRow, RunResult, Sink


class Readers:
    """Watches over all that is told of one run; as a context, over lines that are printed after it.

    Attributes:
        gone: who has left, as a sentence; empty while everybody reads.
        interrupt: asks the run to end, with the reason.
    """

    def __init__(self) -> None:
        self.gone = ""
        self.interrupt: Callable[[str], None] = lambda _why: None

    def of(self, sink: Sink) -> Sink:
        """The same sink, but silent as soon as nobody reads it."""
        from twinstorm.scenarios.result import BudgetSink

        return _ReadBudgets(sink, self, sink) if isinstance(sink, BudgetSink) else _Read(sink, self)

    def leave(self, error: BrokenPipeError) -> None:
        """Somebody has gone."""
        self.gone = self.gone or f"whoever read {error.filename or 'the output'} has gone"
        self.interrupt(self.gone)

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, BrokenPipeError):
            self.leave(error)
            return True
        return False


class _Read:
    """A sink with a reader."""

    def __init__(self, sink: Sink, readers: Readers) -> None:
        self._sink, self._readers = sink, readers
        self._is_read = True

    def event(self, row: EventRow) -> None:
        self._tell(lambda: self._sink.event(row))

    def pane(self, row: PaneRow) -> None:
        self._tell(lambda: self._sink.pane(row))

    def close(self, result: RunResult | None, why: str = "") -> None:
        self._tell(lambda: self._sink.close(result, why))

    def _tell(self, tell: Callable[[], None]) -> None:
        if self._is_read:
            try:
                tell()
            except BrokenPipeError as error:
                self._is_read = False
                self._readers.leave(error)


class _ReadBudgets(_Read):
    """One that wants to know of error budgets, too: see `BudgetSink`."""

    def __init__(self, sink: Sink, readers: Readers, same: BudgetSink) -> None:
        super().__init__(sink, readers)
        self._same = same

    def budgets(self, counts: Mapping[str, tuple[int, int]]) -> None:
        self._tell(lambda: self._same.budgets(counts))
