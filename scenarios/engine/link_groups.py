"""Which devices of a live fleet connect through the fault proxy, and with whom they share a port."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.twin.flow import Device, Int, Mask


def groups_on_bad_links(engine: Engine, has_socket: Mask) -> list[Int]:
    """Devices with a socket that faults of links will strike, in sets which those faults always strike as a whole.

    Empty for most scenarios: their clients connect to the broker itself.
    """
    group = np.zeros(len(has_socket), np.int64)
    """0: on no bad link. Every part of a step splits the groups that it strikes in part."""
    for step in engine.planned_faults():
        if not catalogue()[step.value].needs_proxy(step.settings):
            continue
        for _, starts, _, device in engine.planned_acts(step):
            if starts:
                struck = np.zeros(len(group), np.bool_)
                struck[device] = True
                _, split = np.unique(np.append(0, group * 2 + (struck & has_socket)), return_inverse=True)
                group = split[1:]
    return [np.flatnonzero(group == number) for number in range(1, int(group.max(initial=0)) + 1)]


def are_whole_groups(groups: Sequence[Int], device: Device) -> bool:
    """Whether these devices are all of some of the groups, and nobody else."""
    struck = [group for group in groups if np.isin(group, device).any()]
    return np.array_equal(np.sort(np.concatenate([*struck, device[:0]])), device)
