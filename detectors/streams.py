"""What a scenario asks of the stream of readings by their stamps: a tap that looks at each stamp once for all."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.detectors.dating import Dating
from twinstorm.detectors.figures import FigurePlan, NamedFigure, figures_of
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import Registry


class Streams:
    """Named figures of a fleet.

    Raises:
        ValueError: a plan that this fleet cannot follow.

    Attributes:
        figures: by name.
    """

    def __init__(self, registry: Registry, figures: Sequence[FigurePlan]) -> None:
        self.figures = figures_of(registry, figures)
        self._dating = Dating(len(registry))
        self._of_kind: dict[int, list[NamedFigure]] = {}
        for figure in self.figures.values():
            self._of_kind.setdefault(registry.kinds.index(figure.plan.kind), []).append(figure)

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        figures = self._of_kind.get(accepted.code)
        if not figures or not len(accepted.device):
            return
        where, misdated, out_of_order = self._dating.look(accepted)
        for figure in figures:
            figure.misdated += misdated
            figure.out_of_order += out_of_order
            figure.take(accepted.device, accepted.dated_us, accepted.values, where)

    def close(self, now_us: int) -> None:
        """The core has ended a second."""
        for figure in self.figures.values():
            figure.close(now_us)
