"""Line and area charts as SVG text. Colours are class names: the page that holds them decides dark or light.

Pure functions of their arguments: the same chart is the same text. No script, no font or image from elsewhere;
`<title>` elements tell what a shade, a mark or a line is when the pointer rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.reports.words import clock, number

WIDTH, HEIGHT = 960, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 12, 26, 26

_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_TIME_TICKS = 10
_VALUE_TICKS = 5
_SMALLEST_EXTENT = 1e-9
"""Values that differ by less are all the same to a reader."""


@dataclass(frozen=True)
class Series:
    """One line. `values` has one value a time of the chart, None where there is no data (a gap).

    Attributes:
        look: class name of the colour, `c1` to `c6`.
        area: fill down to the axis.
    """

    name: str
    values: Sequence[float | None]
    look: str
    area: bool = False


@dataclass(frozen=True)
class Shade:
    """An interval during which something was wrong on purpose."""

    from_s: float
    to_s: float
    label: str


@dataclass(frozen=True)
class Mark:
    """An instant, drawn as a line over the whole height with a sign on top."""

    at_s: float
    label: str
    sign: str = "▲"


@dataclass(frozen=True)
class Bound:
    """A wanted value, drawn across."""

    value: float
    label: str


@dataclass(frozen=True)
class Chart:
    """What to draw.

    Attributes:
        times_s: ascending, seconds since the start of the run, one a point of each series.
        unit: stands at the axis, e.g. ``per second``.
        start_s, end_s: of the time axis.
        lowest, highest: of the value axis; None: from the data, with 0 as the lowest.
    """

    title: str
    unit: str
    times_s: Sequence[float]
    series: Sequence[Series]
    end_s: float
    shades: Sequence[Shade] = ()
    marks: Sequence[Mark] = ()
    bounds: Sequence[Bound] = ()
    lowest: float | None = None
    highest: float | None = None
    start_s: float = 0.0


def draw(chart: Chart) -> str:
    """The chart as one `<svg>` element."""
    frame = _Frame.of(chart)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg"'
    parts = [
        f'<svg role="img" aria-label="{_text(_summary(chart))}" {size}>',
        *(_shade(frame, each) for each in chart.shades if each.from_s < chart.end_s and each.to_s > chart.start_s),
        *_axes(frame, chart.unit),
        *(_bound(frame, each) for each in chart.bounds),
        *(_line(frame, chart.times_s, each) for each in chart.series),
        *(_mark(frame, each) for each in chart.marks if chart.start_s <= each.at_s <= chart.end_s),
        *_legend(chart.series, after=chart.unit),
        "</svg>",
    ]
    return "\n".join(filter(None, parts))


@dataclass(frozen=True)
class _Frame:
    """The two scales: seconds and values to places on the canvas."""

    start_s: float
    end_s: float
    low: float
    high: float
    step: float

    @classmethod
    def of(cls, chart: Chart) -> _Frame:
        found = [value for series in chart.series for value in series.values if value is not None]
        found += [bound.value for bound in chart.bounds]
        low = chart.lowest if chart.lowest is not None else min([0.0, *found])
        high = chart.highest if chart.highest is not None else max(found, default=1.0)
        if high - low < _SMALLEST_EXTENT:
            high = low + 1.0
        step = nice_step((high - low) / _VALUE_TICKS)
        if chart.highest is None:
            high = math.ceil(round(high / step, 9)) * step
        return cls(chart.start_s, max(chart.end_s, chart.start_s + 1.0), low, high, step)

    def x(self, at_s: float) -> str:
        place = min(max((at_s - self.start_s) / (self.end_s - self.start_s), 0.0), 1.0)
        return _place(_LEFT + place * (WIDTH - _LEFT - _RIGHT))

    def y(self, value: float) -> str:
        place = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return _place(HEIGHT - _BOTTOM - place * (HEIGHT - _TOP - _BOTTOM))


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `rough` > 0.

    Example:
        >>> nice_step(0.3), nice_step(1234.0), nice_step(0.021)
        (0.5, 2000.0, 0.05)
    """
    power = 10.0 ** math.floor(math.log10(rough))
    factor = next((factor for factor in (1.0, 2.0, 5.0) if factor * power >= rough * (1 - 1e-9)), 10.0)
    return round(factor * power, 12)


def _axes(frame: _Frame, unit: str) -> Iterable[str]:
    first = math.ceil(round(frame.low / frame.step, 9))
    last = math.floor(round(frame.high / frame.step, 9))
    for tick in range(first, last + 1):
        value = round(tick * frame.step, 12)
        y = frame.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick end" x="{_LEFT - 6}" y="{y}" dy="4">{number(value)}</text>'
    extent_s = frame.end_s - frame.start_s
    step_s = next((each for each in _TIME_STEPS_S if extent_s / each <= _TIME_TICKS), 0)
    step_s = step_s or math.ceil(extent_s / _TIME_TICKS / 86_400) * 86_400
    for at_s in range(math.ceil(frame.start_s / step_s) * step_s, int(frame.end_s) + 1, step_s):
        x = frame.x(at_s)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{HEIGHT - _BOTTOM}" y2="{HEIGHT - _BOTTOM + 4}"/>'
        # The last label would be cut at the edge if it were centred.
        anchor = "end" if float(x) > WIDTH - _RIGHT - 28 else "middle"
        yield f'<text class="tick {anchor}" x="{x}" y="{HEIGHT - 8}">{clock(at_s)}</text>'
    yield f'<text class="tick" x="4" y="14">{_text(unit)}</text>'


def _line(frame: _Frame, times_s: Sequence[float], series: Series) -> str:
    drawn = []
    for piece in _pieces(times_s, series.values):
        points = " ".join(f"{frame.x(at_s)},{frame.y(value)}" for at_s, value in piece)
        if series.area:
            left, right, floor = frame.x(piece[0][0]), frame.x(piece[-1][0]), frame.y(max(frame.low, 0.0))
            drawn.append(f'<polygon class="area {series.look}" points="{left},{floor} {points} {right},{floor}"/>')
        drawn.append(f'<polyline class="line {series.look}" points="{points}"/>')
    return f"<g><title>{_text(series.name)}</title>{''.join(drawn)}</g>" if drawn else ""


def _pieces(times_s: Sequence[float], values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """Runs of points without a gap. A single point becomes a short stroke by being there twice."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for at_s, value in zip(times_s, values, strict=True):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((at_s, value))
    return [piece if len(piece) > 1 else piece * 2 for piece in pieces if piece]


def _shade(frame: _Frame, shade: Shade) -> str:
    left, right = float(frame.x(shade.from_s)), float(frame.x(shade.to_s))
    # A fault of a second in a run of a day must still be seen.
    width = _place(max(right - left, 1.5))
    height = HEIGHT - _TOP - _BOTTOM
    label = _text(f"{shade.label}, {clock(shade.from_s)} to {clock(shade.to_s)}")
    place = f'x="{_place(left)}" y="{_TOP}" width="{width}" height="{height}"'
    return f'<rect class="shade" {place}><title>{label}</title></rect>'


def _mark(frame: _Frame, mark: Mark) -> str:
    x = frame.x(mark.at_s)
    return (
        f'<g class="mark"><title>{_text(f"{mark.label}, {clock(mark.at_s)}")}</title>'
        f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
        f'<text class="middle" x="{x}" y="{_TOP - 2}">{_text(mark.sign)}</text></g>'
    )


def _bound(frame: _Frame, bound: Bound) -> str:
    y = frame.y(bound.value)
    label = f'<text class="tick end" x="{WIDTH - _RIGHT - 4}" y="{y}" dy="-4">{_text(bound.label)}</text>'
    return f'<line class="bound" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>{label}'


def _legend(series: Sequence[Series], after: str) -> Iterable[str]:
    # Widths are estimated: nothing here can measure a font of the reader's machine.
    x = 30 + 6 * len(after)
    for each in series:
        yield f'<rect class="key {each.look}" x="{x}" y="6" width="14" height="9"/>'
        yield f'<text class="tick" x="{x + 19}" y="14">{_text(each.name)}</text>'
        x += 38 + 7 * len(each.name)


def _summary(chart: Chart) -> str:
    """What somebody hears who cannot see it."""
    told = []
    for series in chart.series:
        found = [value for value in series.values if value is not None]
        extent = f"from {number(min(found))} to {number(max(found))}" if found else "without data"
        told.append(f"{series.name} {extent}")
    return f"{chart.title}, {chart.unit}: {'; '.join(told)}"


def _text(text: str) -> str:
    return escape(printable(text), quote=True)


def _place(value: float) -> str:
    """One decimal is a tenth of a dot; more would only make the file longer."""
    return f"{value:.1f}".removesuffix(".0")
