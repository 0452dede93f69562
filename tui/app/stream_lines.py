"""What the scenario asks of the stream of readings, and who processes them, in words."""

from __future__ import annotations

from twinstorm.scenarios.protocol import ProcessingRow, StreamRow
from twinstorm.tui.app import numbers
from twinstorm.tui.app.lines import PLAIN, Line, cut, ends, fit, plain, shorten, width_of, wrap
from twinstorm.tui.app.numbers import SECOND_US
from twinstorm.tui.app.signs import Signs

NOTHING_ASKED = (
    "This scenario asks nothing of the stream: no windows, joins, correlations, routes, continuity, stamps, mirrors, "
    "stored models or processing; and the core refused nothing. twinstorm explain windows"
)
_WORD_WIDTH = 13
_COUNTS_IN_A_ROW = 2


def headline(row: StreamRow, signs: Signs, width: int) -> Line:
    """``^ windows      heat  71.2 C greatest now, fra-1      3 late``; the sign stands for trouble of any kind."""
    sign, style = signs.severity("ticket") if row.trouble else (" ", PLAIN)
    left: Line = [(f"{sign} ", style), (f"{row.word:<{_WORD_WIDTH}}", signs.muted), (f"{row.name}  ", PLAIN)]
    if row.figure is not None:
        left.append((f"{numbers.value(row.figure, row.unit)} ", signs.strong))
    said = row.whose
    if row.figure is None and not said:
        said = ", ".join(f"{numbers.count(count)} {word}" for word, count in _first(row))
    right: Line = [(row.trouble, style)] if row.trouble else []
    room = width - width_of(left) - width_of(right) - 1
    if room < len(said) // 2:
        # The detail beside it has the trouble in full; the sign stays.
        right, room = [], width - width_of(left)
    return ends([*left, (shorten(said, max(room, 1)), signs.muted)], right, width)


def _first(row: StreamRow) -> list[tuple[str, int]]:
    return list(row.counts.items())[:_COUNTS_IN_A_ROW]


def detail(row: StreamRow, signs: Signs, width: int) -> list[Line]:
    """Everything that is known of it."""
    made: list[Line] = [[(f"{row.word} {row.name}", signs.strong)], []]
    made += [plain(line) for line in wrap(row.of, width)]
    if row.figure is not None:
        made.append([(f"{'now':<14}", signs.muted), (numbers.value(row.figure, row.unit), signs.strong)])
    if row.whose:
        made += [[(line, signs.muted)] for line in wrap(row.whose, width)]
    if row.trouble:
        sign, style = signs.severity("ticket")
        made += [[(line, style)] for line in wrap(f"{sign} {row.trouble}", width)]
    if row.counts:
        made += [[], [("Since the start", signs.strong)]]
        wide = max(map(len, row.counts)) + 2
        made += [
            [(f"  {word:<{wide}}", signs.muted), (f"{numbers.count(count):>13}", PLAIN)]
            for word, count in row.counts.items()
        ]
    if row.keys:
        made += [[], [("Now", signs.strong)]]
        wide = min(max(len(key.name) for key in row.keys) + 2, max(width - 18, 8))
        made += [
            [
                (f"  {shorten(key.name, wide - 1):<{wide}}", signs.muted),
                (f"{numbers.value(key.figure, key.unit):>14}", PLAIN),
            ]
            for key in row.keys
        ]
    if row.lines:
        made.append([])
        made += [plain(line) for words in row.lines for line in wrap(words, width)]
    return [cut(line, width) for line in made]


def lag_words(row: ProcessingRow) -> str:
    """For how long what came first has waited."""
    return numbers.value(row.lag_s, "s") if row.lag_s < 60 else numbers.span(round(row.lag_s * SECOND_US))


def processing_line(row: ProcessingRow, signs: Signs, width: int) -> Line:
    """``core waits 12.3k, 41 s  consumers 4  shed 120``: whether the core keeps up, in one line."""
    behind = signs.bad if row.lag_s >= 1 else PLAIN
    waits: Line = [(f"core waits {numbers.short(row.waiting)}, {lag_words(row)}", behind)]
    shed: Line = [(f"shed {numbers.short(row.shed)}", signs.bad if row.shed else PLAIN)]
    workers = plain(f"{_workers(row)} {numbers.short(row.consumers)}")
    return fit([[waits, shed, workers], [waits, shed]], ("  ", PLAIN), width)


def processing_lines(row: ProcessingRow, signs: Signs, width: int) -> list[Line]:
    """The pool, or the functions, line by line."""
    behind = signs.bad if row.lag_s >= 1 else PLAIN
    took = "none was" if row.took_s is None else numbers.value(row.took_s, "s")
    said = [
        ("waits", f"{numbers.count(row.waiting)} readings, the first for {lag_words(row)}", behind),
        ("processed", f"{numbers.rate(row.processed_per_s)}, each in {took}", PLAIN),
        (_workers(row), _work(row), PLAIN),
        ("shed", f"{numbers.count(row.shed)}; {row.policy}", signs.bad if row.shed else PLAIN),
    ]
    if row.functions:
        calls = f"{numbers.count(row.calls)} calls, {numbers.count(row.cold)} cold, cost {row.cost:,.4g}"
        said.insert(3, ("price", calls, PLAIN))
    return [cut([(f"{name:<11}", signs.muted), (words, style)], width) for name, words, style in said]


def _workers(row: ProcessingRow) -> str:
    return "instances" if row.functions else "consumers"


def _work(row: ProcessingRow) -> str:
    told = [numbers.count(row.consumers), f"deepest {numbers.short(row.deepest)}"]
    told += [f"{numbers.count(row.crashed)} crashed"] * bool(row.crashed)
    told += [f"{numbers.short(row.replayed)} replayed"] * bool(row.replayed)
    return ", ".join(told)
