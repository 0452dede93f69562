"""What devices do with readings that a dead broker had not taken yet: send them again, or count them as lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinstorm.twin.fleet import State
from twinstorm.twin.flow import Int, LossCause, Mask, Readings

if TYPE_CHECKING:
    from twinstorm.twin.world import World


def accounted_for(world: World, readings: Readings, rows: Mask) -> Int:
    """Which of these rows their devices account for: at QoS 1 and 2 they send again what nobody acknowledged, at QoS 0
    it is gone."""
    fleet = world.fleet
    chosen = np.flatnonzero(rows)
    # Oldest first: a device that was emptying its buffer may have several on their way.
    chosen = chosen[np.lexsort((readings.seq[chosen], readings.device[chosen]))]
    device = readings.device[chosen].astype(np.int64)
    once = fleet.qos[device] == 0
    world.lose(LossCause.QOS0, device[once])
    # Buffers imply what follows their first reading, so that only the newest ones, without a gap, go back.
    last = np.append(device[1:] != device[:-1], True)
    newest = np.where(last, readings.seq[chosen] == fleet.seq[device], False)
    whole = np.append(readings.seq[chosen][1:] == readings.seq[chosen][:-1] + 1, False) | last
    empty = (fleet.state[device] == State.ONLINE) & (world.buffers.depth[device] == 0)
    taken = np.zeros(len(chosen), np.bool_)
    fits = False
    for row in range(len(chosen) - 1, -1, -1):
        fits = bool(newest[row]) if last[row] else fits and bool(whole[row])
        taken[row] = fits and not once[row] and empty[row]
    _put_back(world, readings, chosen[taken])
    accounted: Int = chosen[taken | once]
    return accounted


def _put_back(world: World, readings: Readings, rows: Int) -> None:
    """Put readings, ordered by device and sequence, into the buffers of their devices, which are empty."""
    fleet, buffers = world.fleet, world.buffers
    device = readings.device[rows].astype(np.int64)
    scale = world.sampler.scales[readings.kind]
    values = readings.values[rows]
    steps = np.stack([scale.steps_of(column, values[:, column]) for column in range(values.shape[1])], axis=1)
    nth = np.arange(len(rows)) - np.searchsorted(device, device)
    for number, group in enumerate(fleet.groups):
        mine = (device >= group.first) & (device < group.last)
        for place in range(int(nth[mine].max(initial=-1)) + 1):
            here = np.flatnonzero(mine & (nth == place) & (buffers.depth[device] == place))
            # By the sampler's own time: the clock of a device may be wrong, and what goes back is its newest.
            since = fleet.seq[device[here]] - readings.seq[rows[here]]
            at_us = world.output.story.next_us[number] - (since + 1) * group.every_us
            if buffers.dated[number]:
                dated_us = (readings.sent_us if world.clocks.active else readings.device_time_us)[rows[here]]
                implied = (at_us > fleet.between_us[device[here]]) & (group.grid_us == 0)
                at_us = np.where(implied, at_us, dated_us)
            none = np.zeros(len(here), np.bool_)
            buffers.keep(number, device[here], readings.seq[rows[here]], at_us, steps[here], none)
