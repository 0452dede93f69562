"""What whoever listens to a run is told at the end of each second: a pane, and rows of what came in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.judged import Judged
from twinstorm.scenarios.engine.routes import routed_rows
from twinstorm.scenarios.result import (
    BudgetSink,
    JudgedSink,
    LetterRow,
    LetterSink,
    PaneRow,
    RoutedSink,
    Sink,
)


class PaneRows:
    """Tells each thing once.

    Args:
        objectives: names.
    """

    def __init__(self, core: Core, objectives: Sequence[str]) -> None:
        self._core, self._objectives = core, objectives
        self._judged = Judged(objectives)
        self._letters_sent = self._routed_sent = 0

    def send(self, sinks: Iterable[Sink], row: PaneRow) -> None:
        """A second is over."""
        core, listeners = self._core, tuple(sinks)
        for sink in listeners:
            sink.pane(row)
            if isinstance(sink, BudgetSink):
                sink.budgets({name: core.objective_counts(name) for name in self._objectives})
        judged = [sink for sink in listeners if isinstance(sink, JudgedSink)]
        rows = self._judged.rows(core, row.at_s) if judged else []
        for one in judged if rows else ():
            one.judged(rows)
        self._send_letters([sink for sink in listeners if isinstance(sink, LetterSink)])
        self._send_routed([sink for sink in listeners if isinstance(sink, RoutedSink)])

    def _send_letters(self, sinks: Iterable[LetterSink]) -> None:
        fresh = self._core.letters_after(self._letters_sent)
        if not fresh:
            return
        self._letters_sent = self._core.letters_noted
        rows = [
            LetterRow(
                at_s=each.arrived_us / 1e6,
                source=each.source,
                reason=each.reason,
                detail=each.detail,
                is_reading=each.is_reading,
                whole=each.whole,
                body=each.body,
            )
            for each in fresh
        ]
        for sink in sinks:
            sink.letters(rows)

    def _send_routed(self, sinks: Iterable[RoutedSink]) -> None:
        router = self._core.router
        if router is None or router.noted == self._routed_sent:
            return
        rows = routed_rows(router, self._core.registry, self._routed_sent)
        self._routed_sent = router.noted
        for sink in sinks:
            sink.routed(rows)
