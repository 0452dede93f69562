"""Stretches of time in which the devices of a small fleet do nothing but sample and send: all of it at one call.

A small fleet is bound by calls, not by readings: a sampling of sixty devices, sent by itself, costs nearly as much as
one of a thousand. Where nobody acts on the world and nothing in it acts by itself, readings of many instants can be
measured, logged and sent together, group by group. What is measured, when it is sent and when it arrives is the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from twinstorm.twin.chance import words
from twinstorm.twin.eventlog import Code
from twinstorm.twin.fleet import SampleGroup, State
from twinstorm.twin.flow import NEVER_US, Int, Readings, Values
from twinstorm.twin.resolution import Steps

if TYPE_CHECKING:
    from twinstorm.twin.world import World

Told = tuple[Int, Int, Int, Values]
"""Devices, instants, numbers and values (channels, m) of readings; a device may stand there several times, in order."""

MOST_READINGS_PER_S: Final = 200.0
"""More are no cheaper together, and need memory."""


def readings_per_s(world: World) -> float:
    """What this fleet samples about, a second."""
    return sum((group.last - group.first) * 1e6 / group.every_us for group in world.fleet.groups)


def until_us(world: World) -> int:
    """Up to when devices do nothing but sample and send unless somebody acts on the world; 0: they do other things."""
    fleet, parts = world.fleet, world.parts
    if world.clocks.active or world.datagrams or not all(part.is_idle for part in parts):
        return 0
    if np.count_nonzero(fleet.state == State.ONLINE) < len(fleet):
        return 0
    if np.count_nonzero(world.blocked) or np.count_nonzero(fleet.link_cuts):
        return 0
    mine = world.output.story, world.seconds.story
    others = (part.story.due_us for part in parts if part.story is not None and part.story not in mine)
    return min(int(fleet.due_us.min(initial=NEVER_US)), *others, NEVER_US)


def pass_to(world: World, end_us: int) -> None:
    """Let devices sample and send at all instants before `end_us`, which is not later than `until_us` says."""
    story = world.output.story
    for number, group in enumerate(world.fleet.groups):
        told = _spoken(world, number, group, end_us) if group.grid_us else _sampled(world, number, group, end_us)
        if told is not None:
            _send(world, group, told)
    story.due_us = min(story.next_us, default=NEVER_US)
    world.seconds.story.due_us = max(world.seconds.story.due_us, end_us)


def _sampled(world: World, number: int, group: SampleGroup, end_us: int) -> Told | None:
    """Readings of a periodic group."""
    first_us = world.output.story.next_us[number]
    times = -(-(end_us - first_us) // group.every_us)
    if times <= 0:
        return None
    fleet, rows = world.fleet, slice(group.first, group.last)
    n = group.last - group.first
    values = np.empty((len(world.channels[group.kind]), times * n), np.float32)
    seq = fleet.seq[rows] + np.arange(1, times + 1)[:, np.newaxis]
    nth = 0
    while nth < times:
        now_us = first_us + nth * group.every_us
        some, steps = world.sampler.measure_on(number, rows, now_us, seq[nth], times - nth)
        values[:, nth * n : nth * n + some.shape[1]] = some
        for first in range(0, some.shape[1], n):
            for channel, column in enumerate(steps):
                world.log.tell(now_us, Code.READINGS, number << 8 | channel, zlib.crc32(column[first : first + n].data))
            now_us += group.every_us
        nth += some.shape[1] // n
    fleet.seq[rows] = seq[-1]
    world.output.story.next_us[number] = first_us + times * group.every_us
    device = np.tile(np.arange(group.first, group.last), times)
    at_us = np.repeat(np.arange(first_us, first_us + times * group.every_us, group.every_us), n)
    return device, at_us, seq.reshape(-1), values


def _spoken(world: World, number: int, group: SampleGroup, end_us: int) -> Told | None:
    """Readings of an event-driven group."""
    told = list(_speaking(world, number, group, end_us))
    if not told:
        return None
    device, at_us, seq = (np.concatenate([each[column] for each in told]) for column in range(3))
    values, steps = (np.concatenate([each[column] for each in told], axis=1) for column in (3, 4))
    # Machines that were stepped together may have spoken at different instants.
    order = np.lexsort((device, at_us))
    device, at_us = device[order], at_us[order]
    _log(world, number, device, at_us, steps[:, order])
    return device, at_us, seq[order], values[:, order]


def _speaking(
    world: World, number: int, group: SampleGroup, end_us: int
) -> Iterator[tuple[Int, Int, Int, Values, Steps]]:
    """As `Told`, with steps, and of each device alone in order."""
    fleet, sampler, story = world.fleet, world.sampler, world.output.story
    while story.next_us[number] < end_us:
        now_us = story.next_us[number]
        told = sampler.foreseen_before(number, now_us, end_us)
        if told is None:
            due, due_us, spoken = sampler.measure_next(number, now_us, end_us)
            device, at_us = due[spoken.chosen], due_us[spoken.chosen]
        else:
            at_us, spoken = told
            device = spoken.chosen + group.first
        if len(device):
            seq = fleet.seq[device] + _turns(device)
            fleet.seq[device] = seq  # ascending for each: of several the last one stays
            fleet.told_us[device] = at_us
            yield device, at_us, seq, spoken.values, spoken.steps
        story.next_us[number] = sampler.wake_us(number, now_us)


def _turns(device: Int) -> Int:
    """Of each row, for the how manieth time its device stands here: 1, 2, ..."""
    order = np.argsort(device, kind="stable")
    in_order = device[order]
    turn = np.empty(len(device), np.int64)
    turn[order] = np.arange(len(device)) - np.searchsorted(in_order, in_order) + 1
    return turn


def _log(world: World, number: int, device: Int, at_us: Int, steps: Steps) -> None:
    """A row for each instant: see `Output`."""
    key = world.fleet.key[device]
    edges = [0, *(np.flatnonzero(at_us[1:] != at_us[:-1]) + 1).tolist(), len(at_us)]
    instants = at_us[edges[:-1]].tolist()
    rows = [key, *np.ascontiguousarray(steps)]
    for now_us, first, last in zip(instants, edges, edges[1:], strict=False):
        told = np.array([zlib.crc32(row[first:last].data) for row in rows], np.uint32)
        world.log.tell(now_us, Code.READINGS, number << 8, zlib.crc32(told.data))


def _send(world: World, group: SampleGroup, told: Told) -> None:
    device, at_us, seq, values = told
    fleet = world.fleet
    world.produced += len(device)
    arrive_us = fleet.links.latency_us(fleet.link[device], words(world.output.uplink, fleet.key[device], seq))
    arrive_us += at_us
    for count_sent in world.parts.count_sent:
        count_sent(device, 1)
    readings = Readings(
        kind=group.kind,
        device=device.astype(np.int32),
        boot=fleet.boot[device],
        seq=seq,
        device_time_us=at_us,
        sent_us=at_us,
        values=values.T,
    )
    world.payloads.publish(readings, world.sending.released_us(device, arrive_us))
