"""What came of the predictions of a detector: as a result, and in words."""

from __future__ import annotations

from twinstorm.detectors.values.forecast import Forecast
from twinstorm.scenarios.reports.words import duration
from twinstorm.scenarios.result import ForecastResult
from twinstorm.twin.flow import SECOND_US


def forecast_result(name: str, detector: Forecast, now_us: int | None = None) -> ForecastResult:
    """What came of what a detector has foretold.

    Args:
        name: by which people know it.
        now_us: a prediction whose horizon was over by then waits no longer, though its device fell silent; None: the
            newest value of each series tells the time.
    """
    told = detector.predictions.foretold(now_us)
    return ForecastResult(
        detector=name,
        horizon_s=detector.settings["horizon"] / SECOND_US,
        right=told.right,
        wrong=told.wrong,
        unknown=told.unknown,
        withdrawn=told.withdrawn,
        missed=told.missed,
        waiting=told.waiting,
        lead_s=None if told.lead_s is None else round(told.lead_s, 1),
    )


def foretold(told: ForecastResult) -> str:
    """``crossings foretold by `forecast` 1 h ahead: 10 came, 41 min later on the average; 2 did not, 1 waits, 1 unknown
    (silent), 1 withdrawn (serviced); 3 came unforetold``."""
    came = f"{told.right:,} came" + (f", {duration(told.lead_s)} later on the average" if told.lead_s else "")
    waiting = f", {told.waiting:,} wait{'s' * (told.waiting == 1)}" * bool(told.waiting)
    unknown = f", {told.unknown:,} unknown (silent)" * bool(told.unknown)
    withdrawn = f", {told.withdrawn:,} withdrawn (serviced)" * bool(told.withdrawn)
    ahead = f"crossings foretold by `{told.detector}` {duration(told.horizon_s)} ahead"
    rest = f"{waiting}{unknown}{withdrawn}"
    return f"{ahead}: {came}; {told.wrong:,} did not{rest}; {told.missed:,} came unforetold"
