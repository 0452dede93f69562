"""Calls into a kind of machine that let nothing through which its contract forbids.

Shapes and types are looked at when machines are set up, at the first step of a sample group, and at one of its steps
every simulated hour. In between what a step raises is caught here, what it measures is compared with the range of each
channel where it is rounded (`Scale.rounded`), so that a reading costs nothing more, and the state is glanced at once a
minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from twinstorm.twin.flow import HOUR_US, MINUTE_US, Int, Mask, Values
from twinstorm.twin.machines.kind import (
    Course,
    Draws,
    EventKind,
    Foreseeable,
    Inputs,
    MachineKind,
    Place,
    Renewable,
    Repeatable,
    Truth,
    is_event_driven,
)
from twinstorm.twin.plugins import PluginError, blamed, failed, raised

COUNTS = (np.float32, np.int64, np.uint64)
"""What columns of event-driven machines may be."""
LOOK_US = HOUR_US
"""From one close look at the steps of a sample group to the next."""
GLANCE_US = MINUTE_US
"""From one glance at their state to the next."""
TRUTHS = 64
"""Machines of a group whose truth is looked at: a run does not need it, whoever asks later does."""


def set_up(kind: MachineKind, draws: Draws, place: Place, n: int) -> dict[str, Values]:
    """Parameters of n machines, as the kind draws them.

    Raises:
        PluginError: the kind does not keep to its contract.
    """
    with _blamed(kind, "parameters"):
        parameters = kind.parameters(draws, place)
    _check_columns(kind, "parameters", parameters, n)
    for one in kind.settable:
        if one.name not in parameters:
            raise _failed(kind, f"`parameters` has no `{one.name}`, which `settable` names")
        column = parameters[one.name]
        low, high = float(column.min(initial=np.inf)), float(column.max(initial=-np.inf))
        if n and (low < np.float32(one.lowest) or high > np.float32(one.highest)):
            value = low if low < np.float32(one.lowest) else high
            what = f"`parameters` drew {value:g} {one.unit} for `{one.name}`"
            raise _failed(kind, f"{what}; allowed: {one.lowest:g} .. {one.highest:g} {one.unit}")
    return parameters


def begin(kind: MachineKind, parameters: Mapping[str, Values], n: int) -> dict[str, Values]:
    """State of n machines at instant 0.

    Raises:
        PluginError: the kind does not keep to its contract.
    """
    with _blamed(kind, "initial"):
        state = kind.initial(parameters)
    _check_columns(kind, "initial", state, n)
    for name, column in state.items():
        shared = [other for other, known in parameters.items() if np.may_share_memory(column, known)]
        if shared:
            raise _failed(kind, f"`initial` gave `{name}` as a view of the parameter `{shared[0]}`: copy it")
    some = min(n, TRUTHS)
    with _blamed(kind, "truth"):
        truth = kind.truth(
            {name: column[:some] for name, column in state.items()},
            {name: column[:some] for name, column in parameters.items()},
        )
    _check_truth(kind, truth, some)
    return state


def step(
    kind: MachineKind,
    state: Mapping[str, Values],
    parameters: Mapping[str, Values],
    inputs: Inputs,
    noise: Values,
    out: Values,
) -> None:
    """One step.

    Raises:
        PluginError: in place of what the kind raises.
    """
    try:
        kind.step(state, parameters, inputs, noise, out)
    except (PluginError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise _failed(kind, raised("step", error)) from error


def repeat(
    kind: MachineKind,
    state: Mapping[str, Values],
    parameters: Mapping[str, Values],
    inputs: Sequence[Inputs],
    noise: Values,
    out: Values,
) -> None:
    """Several steps.

    Raises:
        PluginError: in place of what the kind raises.
    """
    assert isinstance(kind, Repeatable)
    with _blamed(kind, "repeat"):
        kind.repeat(state, parameters, inputs, noise, out)


def watched_step(
    kind: MachineKind,
    state: dict[str, Values],
    parameters: dict[str, Values],
    inputs: Inputs,
    noise: Values,
    out: Values,
) -> None:
    """One step under a close look: it changes the state in place, nothing else, and writes every value.

    Raises:
        PluginError: the kind does not keep to its contract.
    """
    # What is not written stays NaN, and is found when it is rounded.
    np.copyto(out, np.nan, where=True if inputs.running is None else inputs.running)
    columns, fixed = dict(state), {name: column.copy() for name, column in parameters.items()}
    step(kind, state, parameters, inputs, noise, out)
    for name in sorted(columns.keys() | state.keys()):
        if columns.get(name) is not state.get(name):
            raise _failed(kind, f"`step` put another array in the place of `{name}`: change the state in place")
    _check_finite(kind, "step", columns)
    for name, column in fixed.items():
        if parameters.get(name) is None or not np.array_equal(parameters[name], column):
            raise _failed(kind, f"`step` changed the parameter `{name}`: only the state may change")


def glance(kind: MachineKind, state: Mapping[str, NDArray[Any]], method: str = "step") -> None:
    """See whether a state is finite, for the price of a sum a column: NaN and infinity do not get lost in one.

    Raises:
        PluginError: it is not.
    """
    total = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for column in state.values():
            total += float(np.add.reduce(column))
    if not isfinite(total):  # or its numbers are very large
        _check_finite(kind, method, state)


def ahead_us(kind: EventKind, state: Mapping[str, NDArray[Any]], n: int) -> Int:
    """How long until something happens in each of n machines.

    Raises:
        PluginError: the kind does not keep to its contract.
    """
    with _blamed(kind, "ahead_us"):
        ahead = kind.ahead_us(state)
    _check_answer(kind, "ahead_us", ahead, np.int64, n)
    if np.count_nonzero(ahead > 0) < n:
        raise _failed(kind, f"`ahead_us` gave {ahead.min()} us; allowed: times above 0")
    return ahead


def has_news(kind: EventKind, state: Mapping[str, NDArray[Any]], n: int) -> Mask:
    """Who of n machines has something to tell at once.

    Raises:
        PluginError: the kind does not keep to its contract.
    """
    with _blamed(kind, "has_news"):
        news = kind.has_news(state)
    _check_answer(kind, "has_news", news, np.bool_, n)
    return news


def foresee(
    kind: EventKind, state: Mapping[str, NDArray[Any]], parameters: Mapping[str, NDArray[Any]], inputs: Inputs, n: int
) -> Course:
    """What will happen in each of n machines while it lives for so long; changes the state.

    Raises:
        PluginError: the kind does not keep to its contract.
    """
    assert isinstance(kind, Foreseeable)
    with _blamed(kind, "foresee"):
        course = kind.foresee(state, parameters, inputs)
    if not isinstance(course, Course):
        raise _failed(kind, f"`foresee` returned {_kind_of(course)}; a Course is wanted")
    events = len(course.row) if isinstance(course.row, np.ndarray) and course.row.ndim else 0
    _check_answer(kind, "foresee", course.row, np.int64, events, "row")
    _check_answer(kind, "foresee", course.at_us, np.int64, events, "at_us")
    _check_answer(kind, "foresee", course.news, np.bool_, events, "news")
    for name, column in course.state.items():
        if name not in state:
            raise _failed(kind, f"`foresee` gave a column `{name}`, which the state does not have")
        _check_answer(kind, "foresee", column, state[name].dtype, events, name)
    if events and not (course.row.min() >= 0 and course.row.max() < n):
        raise _failed(kind, f"`foresee` gave an event of row {course.row.max()}; allowed: 0 .. {n - 1}")
    return course


def measure(
    kind: EventKind,
    state: Mapping[str, NDArray[Any]],
    parameters: Mapping[str, NDArray[Any]],
    noise: Values,
    out: Values,
) -> None:
    """What would be measured.

    Raises:
        PluginError: in place of what the kind raises.
    """
    assert isinstance(kind, Foreseeable)
    with _blamed(kind, "measure"):
        kind.measure(state, parameters, noise, out)


def truth(kind: MachineKind, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
    """Hidden health and remaining life.

    Raises:
        PluginError: the kind does not keep to its contract.
    """
    with _blamed(kind, "truth"):
        found = kind.truth(state, parameters)
    columns = (*state.values(), *parameters.values())
    _check_truth(kind, found, len(columns[0]) if columns else 0)
    return found


def renew(
    kind: MachineKind, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]
) -> None:
    """Renew some machines in their own way, or, if their kind knows none, to their state at instant 0.

    Raises:
        PluginError: in place of what the kind raises.
    """
    if isinstance(kind, Renewable):
        with _blamed(kind, "renew"):
            kind.renew(state, parameters, rows)
        return
    for name, column in begin(kind, {name: column[rows] for name, column in parameters.items()}, len(rows)).items():
        state[name][rows] = column


def measured_wrong(kind: MachineKind, channel: int, value: float, device: str, at_us: int) -> PluginError:
    """A step measured what its channel cannot tell."""
    known = kind.channels[channel]
    told = "NaN" if np.isnan(value) else f"{value:g} {known.unit}"
    return _failed(
        kind,
        f"`step` measured {told} on channel `{known.name}` of {device} at {at_us / 1e6:g} s; allowed: "
        f"{known.lowest:g} .. {known.highest:g} {known.unit}",
    )


def _check_finite(kind: MachineKind, method: str, state: Mapping[str, NDArray[Any]]) -> None:
    for name, column in state.items():
        if not np.isfinite(column).all():
            said = f"`{method}` left {_first_infinite(column)} in the state `{name}`; allowed: finite numbers"
            raise _failed(kind, said)


def _check_columns(kind: MachineKind, method: str, columns: object, n: int) -> None:
    if not isinstance(columns, dict):
        raise _failed(kind, f"`{method}` returned {_kind_of(columns)}; a dict of float32 arrays by name is wanted")
    for name, column in columns.items():
        _check_column(kind, method, name, column, n)
        if not column.flags.writeable:
            raise _failed(kind, f"`{method}` gave `{name}` as a view of something shared: copy it")
        if not np.isfinite(column).all():
            raise _failed(kind, f"`{method}` gave {_first_infinite(column)} for `{name}`; allowed: finite numbers")


def _check_column(kind: MachineKind, method: str, name: object, column: object, n: int) -> None:
    allowed = COUNTS if is_event_driven(kind) and method != "truth" else (np.float32,)
    if not isinstance(column, np.ndarray) or column.dtype not in allowed or column.shape != (n,):
        raise _failed(kind, f"`{method}` gave {_kind_of(column)} for `{name}`; float32 of shape ({n},) is wanted")


def _check_answer(kind: MachineKind, method: str, answer: object, dtype: DTypeLike, n: int, name: str = "") -> None:
    """What an event-driven kind answers has one value for each machine, or event."""
    if not isinstance(answer, np.ndarray) or answer.dtype != dtype or answer.shape != (n,):
        what = f"{_kind_of(answer)} for `{name}`" if name else _kind_of(answer)
        raise _failed(kind, f"`{method}` gave {what}; {np.dtype(dtype)} of shape ({n},) is wanted")


def _check_truth(kind: MachineKind, truth: object, n: int) -> None:
    if not isinstance(truth, Truth):
        raise _failed(kind, f"`truth` returned {_kind_of(truth)}; a Truth is wanted")
    for name, column, most in (("health", truth.health, 1.0), ("remaining_s", truth.remaining_s, np.inf)):
        _check_column(kind, "truth", name, column, n)
        wrong = column[~((column >= 0) & (column <= most))]
        if len(wrong):
            raise _failed(kind, f"`truth` gave {wrong[0]:g} for `{name}`; allowed: 0 .. {most:g}")


def _kind_of(thing: object) -> str:
    if isinstance(thing, np.ndarray):
        return f"{thing.dtype} of shape {thing.shape}"
    return type(thing).__name__


def _first_infinite(column: NDArray[np.float32]) -> str:
    value = column[~np.isfinite(column)][0]
    return "NaN" if np.isnan(value) else f"{value:g}"


def _blamed(kind: MachineKind, method: str) -> AbstractContextManager[None]:
    return blamed("machine kind", kind.name, type(kind), method)


def _failed(kind: MachineKind, what: str) -> PluginError:
    return failed("machine kind", kind.name, type(kind), what)
