"""The two rows that never leave: state and faults. Pure functions from what is known to a line of the given width."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.scenarios.protocol import STATES, ActiveFault, Frame
from twinstorm.tui.app import numbers
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.lines import PLAIN, Line, Span, cut, fit, plain, shorten, width_of
from twinstorm.tui.app.signs import CODE, WORST_FIRST, Signs

WORTH_SAYING_S = 0.1
"""Lag of a live run behind the wall clock from which on it is shown."""
RUNS = "runs"
"""Folder of recorded runs: those in it are known by their names."""
_WAY_OUT = "; q quits"
_LEAST_REASON = 24
"""Columns of a reason below which it is not worth shortening."""
_ALWAYS = ("failed", "offline")
"""States whose number stands in the row also when it is 0."""


def state_row(board: Board, signs: Signs, width: int, stale_s: int) -> Line:
    """Row 1: speed, clock, failed, offline, other states, objectives, incidents, scenario, in the order of need."""
    if board.frame is None:
        return fit([_before(board)], (" | ", signs.muted), width)
    variants = [_pieces(board, board.frame, signs, stale_s, level) for level in range(4)]
    return fit(variants, (" | ", signs.muted), width)


def _before(board: Board) -> list[Line]:
    if board.hello is None:
        return [plain(f" starting {board.starting}" if board.starting else " no run")]
    loading = board.loading
    what = f" {loading.what} {loading.share:.0%}".replace("%", " %") if loading is not None else " starting"
    return [plain(what), plain(f"{board.hello.scenario} #{board.hello.seed}")]


def _pieces(board: Board, frame: Frame, signs: Signs, stale_s: int, level: int) -> list[Line]:
    """Level 0 says all; 1 shortens numbers, 2 words, 3 leaves out the length of the run and those who are well."""
    pieces = [_time(board, frame, signs, stale_s, level), _states(frame, signs, level)]
    if frame.objectives:
        pieces.append(_objectives(frame, signs, level))
    opened = sum(row.state != "resolved" for row in frame.incidents)
    pieces.append([(f"INC {opened}" + (" open" if level < 2 and opened else ""), signs.strong if opened else PLAIN)])
    if board.hello is not None:
        live = " live" if board.hello.clock == "live" else ""
        pieces.append(plain(f"{board.hello.scenario} #{board.hello.seed}{live}"))
    return pieces


def _time(board: Board, frame: Frame, signs: Signs, stale_s: int, level: int) -> Line:
    sign = {"running": ">", "paused": "||", "ended": "="}.get(frame.state, "?")
    running = frame.state == "running" and board.goes_on
    speed = numbers.speed(board.speed, frame.holding, running=running)
    if level >= 2 and ", holding" in speed:
        speed = speed.replace(", holding ", "/")
    line = plain(f" {sign} {speed} {numbers.clock(frame.at_us)}")
    if level < 3 and board.hello is not None:
        line += plain(f"/{numbers.clock(board.hello.duration_us)}")
    if board.dead is not None:
        line.append((" STOPPED", signs.bad))
    elif board.ended is not None:
        line.append((" ENDED", signs.strong))
    elif stale_s:
        line.append((f" STALE {stale_s} s", signs.bad))
    elif frame.lag_s >= WORTH_SAYING_S:
        line.append((f" lag {frame.lag_s:.1f} s", signs.warning))
    return line


def _states(frame: Frame, signs: Signs, level: int) -> Line:
    line: Line = []
    for code in WORST_FIRST:
        name = STATES[code]
        number = frame.states.get(name, 0)
        if (not number and name not in _ALWAYS) or (level == 3 and code == CODE["online"]):
            continue
        words = numbers.count(number) if level == 0 else numbers.short(number)
        if line:
            line.append(("  " if level < 2 else " ", PLAIN))
        line += [(signs.states[code], signs.state_styles[code]), (f" {words}", PLAIN)]
    return line


def _objectives(frame: Frame, signs: Signs, level: int) -> Line:
    of = len(frame.objectives)
    for verdict in ("missed", "at risk"):
        number = sum(row.verdict == verdict for row in frame.objectives)
        if number:
            _, word, style = signs.objective(verdict)
            words = f"obj {number} of {of} " if level < 2 else f"obj {number}/{of} "
            return [(words, PLAIN), (word, style)]
    held = sum(row.verdict == "held" for row in frame.objectives)
    if held:
        return plain(f"obj {held} of {of} held" if level < 2 else f"obj {held}/{of} held")
    return plain(f"obj {frame.objectives[0].verdict}")


def fault_rows(
    board: Board, signs: Signs, width: int, abort_key: str, end_key: str, *, rows: int = 1, always: bool = False
) -> list[Line]:
    """Row 2, empty while there is nothing to say: why the run stopped, or the abort key and what is active.

    Args:
        rows: how many rows may be used; with more than one, each of the first faults gets its own.
        always: show the abort key without a fault, too (when nothing else fits the terminal).
    """
    if board.dead is not None:
        return [_stopped(board, signs, width)]
    if board.ended is not None:
        return [_ended(board, signs, width)]
    frame = board.frame
    if frame is None:
        return []
    # The row of a live run has the key already.
    lead: Line = [] if board.is_live else [(" ", PLAIN), (f"{abort_key} ABORTS ALL", signs.selected)]
    bar: Span = (" " if board.is_live else " | ", signs.muted)
    always = always and not board.is_live
    if not frame.faults:
        if not frame.armed:
            words = "DISARMED: faults ended, none can start; : fault: arm again"
            return [cut([*lead, bar, (words, signs.strong)], width)]
        return [cut(lead, width)] if always else []
    number = f"{len(frame.faults)} FAULT{'S' if len(frame.faults) > 1 else ''}"
    head: Line = [*lead, bar, (number, signs.bad), (": ", PLAIN)]
    if not frame.armed:
        head[-1] = (", ending: ", PLAIN)
    if rows > 1:
        return _one_a_row(head, frame, width, rows, end_key)
    return [_in_one_row(head, frame, width, end_key)]


def _stopped(board: Board, signs: Signs, width: int) -> Line:
    folder = board.hello.run_folder if board.hello is not None else ""
    stopped = f"RUN STOPPED: {board.dead}"
    if not folder:
        return _banner((stopped,), signs, width)
    # The engine is gone, so nobody wrote a report: the command that makes one of what was recorded.
    parent, _, name = folder.rpartition("/")
    brief = name if parent == RUNS else _from_the_left(folder, 1)
    commands = [f"; twinstorm report {path}" for path in (folder, brief)]
    room = _banner_room(width) - len(commands[-1])
    variants = [stopped + command for command in commands]
    if room >= _LEAST_REASON:
        variants.append(shorten(stopped, room) + commands[-1])
    return _banner((*variants, stopped), signs, width)


def _from_the_left(path: str, parts: int) -> str:
    """A path cut where it matters least: its last parts name the run."""
    kept = path.split("/")
    return path if len(kept) <= parts else "/".join(["...", *kept[-parts:]])


def _ended(board: Board, signs: Signs, width: int) -> Line:
    ended = board.ended
    assert ended is not None
    report = f"; report: {ended.report}" if ended.report else ""
    verdict = ended.verdict.upper()
    brief = f"; report: {_from_the_left(ended.report, 2)}" if ended.report else ""
    said = (f"{verdict} ({ended.ended}), exit code {ended.exit_code}{report}", f"{verdict}{report}", verdict + brief)
    return _banner((*said, verdict), signs, width)


def _banner(variants: Sequence[str], signs: Signs, width: int) -> Line:
    """The first way to say it that fits, or the last one cut; the last words, the way out, survive any width."""
    room = _banner_room(width)
    words = next((said for said in variants if len(said) <= room), variants[-1][:room])
    return [(f" {words}{_WAY_OUT}".ljust(width)[:width], signs.selected)]


def _banner_room(width: int) -> int:
    return max(width - len(_WAY_OUT) - 1, 0)


def newest_injected(frame: Frame) -> ActiveFault | None:
    """The fault that `u` ends."""
    injected = [(fault.from_us, place) for place, fault in enumerate(frame.faults) if fault.injected]
    return frame.faults[max(injected)[1]] if injected else None


def fault_words(fault: ActiveFault, now_us: int, *, brief: bool, ended_by: str = "") -> str:
    """One fault in words, e.g. ``partition site=fra-2 2,000 dev, 0:48 left``; `ended_by`: the key that ends it."""
    target = fault.target if not brief else fault.target.removeprefix("site=")
    left = "until ended" if fault.to_us is None else numbers.span(fault.to_us - now_us)
    if brief:
        return " ".join(word for word in (fault.fault, target, left) if word)
    reach = f"{numbers.count(fault.devices)} dev" if fault.devices else ""
    words = " ".join(word for word in (fault.fault, target, reach) if word)
    words = f"{words}, {left}" + (" left" if fault.to_us is not None else "")
    return f"{words} ({ended_by} ends it)" if ended_by else words


def _in_one_row(head: Line, frame: Frame, width: int, end_key: str) -> Line:
    room = width - width_of(head)
    words = "; ".join(_all_words(frame, end_key))
    if len(words) > room:
        faults = [fault_words(fault, frame.at_us, brief=True) for fault in frame.faults]
        words = "; ".join(faults)
        if len(words) > room:
            words = _as_many_as_fit(faults, room)
    return cut([*head, (words, PLAIN)], width)


def _all_words(frame: Frame, end_key: str) -> list[str]:
    newest = newest_injected(frame)
    return [
        fault_words(fault, frame.at_us, brief=False, ended_by=end_key if fault is newest else "")
        for fault in frame.faults
    ]


def _as_many_as_fit(faults: list[str], room: int) -> str:
    """Whole faults from the left and how many more there are; of a single one that does not fit, name and time."""
    for number in range(len(faults) - 1, 0, -1):
        words = "; ".join(faults[:number]) + f"; +{len(faults) - number} more"
        if len(words) <= room:
            return words
    first = faults[0]
    name, *_, left = first.split(" ")
    return first if len(first) <= room else f"{name} {left}"


def _one_a_row(head: Line, frame: Frame, width: int, rows: int, end_key: str) -> list[Line]:
    shown = _all_words(frame, end_key)[:rows]
    hidden = len(frame.faults) - len(shown)
    indent = " " * width_of(head)
    made: list[Line] = []
    if hidden:
        shown[-1] += f"; +{hidden} more"
    for number, words in enumerate(shown):
        made.append(cut([*(head if number == 0 else plain(indent)), (words, PLAIN)], width))
    return made
