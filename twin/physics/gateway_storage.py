"""Memory, disk and flash of a gateway: garbage and leaks, logs and their rotation, wear by what is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from twinstorm.twin.flow import DAY_US, SECOND_US, Values
from twinstorm.twin.machines.kind import Inputs, Truth
from twinstorm.twin.physics.counting import add_to

Columns = Mapping[str, Values]

DAY_S: Final = 86_400.0

LIVE_SHARE: Final = (0.34, 0.56)
GARBAGE_SHARE: Final = (0.05, 0.13)
"""Of the memory, collected when so much has gathered."""
GARBAGE_MESSAGES: Final = (15e3, 60e3)
"""Messages that leave so much behind."""
LEAK_PER_H: Final = 0.35
"""Of the memory, by the worst leak."""
SWAPS_FROM, SWAP = 0.92, 0.15
"""Of the memory: from here pages go to the disk; the leak ends when swap is full too."""
DISK_SHARE: Final = (0.30, 0.55)
LOG_PER_DAY: Final = (0.02, 0.07)
"""Of the disk, at the traffic of the busiest hour; packed away at the rotation."""
DEBUG_PER_H: Final = 0.45
"""Of the disk, by a log that somebody forgot at its finest level."""
FULL_FROM: Final = 0.97
IDLE_LOG: Final = 0.02
"""Of a busy hour's log, written without any message."""
WRITES_PER_LOG: Final = 4.0
"""Bytes written to flash for each byte of log: database, journal."""
ENDURANCE: Final = (240.0, 400.0)
"""Full disks that flash takes: 3,000 erase cycles, each byte written about ten times (assumed for eMMC)."""


def full(state: Columns, parameters: Columns) -> Values:
    """How much of what is written finds no place: 0..1."""
    full = state["debug"] + state["log"]
    full += parameters["disk_share"]
    full -= FULL_FROM
    full *= 1.0 / (1.0 - FULL_FROM)
    return full.clip(0.0, 1.0, out=full)


def decide_paging(state: Columns, parameters: Columns) -> None:
    """How much of the swap is in use, 0..1, into ``paging``."""
    paging = state["paging"]
    np.add(parameters["live_share"], parameters["garbage_share"], out=paging)
    paging += state["leaked"]
    paging -= SWAPS_FROM
    paging *= 1.0 / SWAP
    paging.clip(0.0, 1.0, out=paging)


def log_per_s(state: Columns, parameters: Columns) -> Values:
    """Share of the disk that the log takes in a second: never nothing."""
    rate = state["traffic_per_s"] / parameters["traffic_per_s"]
    rate += IDLE_LOG
    rate *= parameters["log_per_day"]
    rate *= 1.0 / DAY_S
    return rate


def write(state: Columns, parameters: Columns, inputs: Inputs, end_us: int, dt_us: int) -> None:
    """Write logs, wear the flash, and pack away what a day has written."""
    dt_s = np.float32(dt_us / SECOND_US)
    per_s = log_per_s(state, parameters)
    if inputs.running is not None:
        per_s *= inputs.running
    written = per_s * dt_s
    add_to(state["log"], state["log_rest"], written.copy())
    written *= WRITES_PER_LOG

    debug = inputs.failures.get("disk-full")
    if debug is not None and debug.any():
        space = 1.0 - state["debug"] - state["log"] - parameters["disk_share"]
        more = debug * (dt_s * np.float32(DEBUG_PER_H / 3600.0))
        if inputs.running is not None:
            more *= inputs.running
        np.minimum(more, space, out=more)
        np.maximum(more, 0.0, out=more)
        written += more
        add_to(state["debug"], state["debug_rest"], more)
    written /= parameters["endurance"]
    add_to(state["worn"], state["worn_rest"], written)
    np.minimum(state["worn"], np.float32(1.0), out=state["worn"])

    calendar_us = inputs.calendar_us - (inputs.now_us - end_us)
    since_s = np.float32(calendar_us % DAY_US / SECOND_US) - parameters["rotates_s"]
    since_s += (since_s < 0.0) * np.float32(DAY_S)
    rotated = np.flatnonzero(since_s < dt_s)
    if len(rotated):
        state["log"][rotated] = per_s[rotated] * since_s[rotated]
        state["log_rest"][rotated] = 0.0
        # A log that is still being written at its finest level is open and keeps its space.
        kept = 0.0 if debug is None else debug[rotated] > 0.0
        for name in ("debug", "debug_rest"):
            state[name][rotated] *= kept


def remember(state: Columns, parameters: Columns, inputs: Inputs, dt_us: int) -> None:
    """Let garbage and leaks grow; collect the one, and forget all without power."""
    dt_s = np.float32(dt_us / SECOND_US)
    garbage = state["garbage"]
    made = state["traffic_per_s"] * dt_s
    made /= parameters["garbage_messages"]
    add_to(garbage, state["garbage_rest"], made)
    garbage -= np.floor(garbage)

    leak = inputs.failures.get("memory-leak")
    leaked = state["leaked"]
    if leak is not None and leak.any():
        add_to(leaked, state["leaked_rest"], leak * (dt_s * np.float32(LEAK_PER_H / 3600.0)))
        most = SWAPS_FROM + SWAP - parameters["live_share"] - parameters["garbage_share"]
        leaked.clip(0.0, np.maximum(most, 0.0), out=leaked)
    if inputs.running is not None:
        for name in ("garbage", "garbage_rest", "leaked", "leaked_rest", "backlog"):
            state[name] *= inputs.running


def truth(state: Columns, parameters: Columns, demand: float) -> Truth:
    """Health of the flash, and how long it lasts at the mean traffic, a share `demand` of the busiest hour's."""
    health = np.clip(1.0 - state["worn"], 0.0, 1.0)
    worn_per_s = parameters["log_per_day"] * np.float32((demand + IDLE_LOG) * WRITES_PER_LOG / DAY_S)
    worn_per_s /= parameters["endurance"]
    return Truth(health, health / worn_per_s)
