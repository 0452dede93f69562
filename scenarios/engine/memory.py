"""Whether a fleet fits this machine, asked before anything of it exists. Needs no NumPy, because `check` asks as well,
but where a scenario has detectors on values."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.language import catalogue
from twinstorm.scenarios.language.model import Fleet, Hazards, Join, Scenario, Segment, Window
from twinstorm.scenarios.language.reach import Reach
from twinstorm.scenarios.language.selectors import Selector

BYTES_PER_DEVICE: Final = 920
"""Fleet, core and machine of one device, buffers apart: that of the kinds that need most, controllers (a motor needs
590)."""
BYTES_PER_BATTERY: Final = 130
BYTES_PER_CLOCK: Final = 80
BYTES_PER_HAZARDS: Final = 130
BYTES_PER_MESH: Final = 110
"""Twelve columns of 8 bytes and what sorts them."""
BYTES_PER_END: Final = 64
"""Two figures of a correlation at one end of windows, with their copies while they are compared."""
BYTES_PER_MIRROR: Final = 400
"""Parameters and state of a twin, and its residuals on their way."""
BYTES_PER_DUTY_CYCLE: Final = 600
"""A radio that must keep still, with what waits for it; as the others measured, and more than any kind needed."""
BYTES_PER_BUFFERED: Final = 16
"""One reading in a buffer: up to 8 channels of 2 bytes."""
WIDE_KINDS: Final = frozenset({"building", "meter", "vehicle"})
BYTES_PER_WIDE_BUFFERED: Final = 36
"""One reading of those kinds: up to 9 channels of 4 bytes (`twin.resolution`)."""

BYTES_PER_WATCHED: Final = 28
"""What a detector on values remembers of a device beside its channels."""

BYTES_PER_SUM: Final = 40
"""Of a channel in a window of one key."""
BYTES_PER_KEY: Final = 64
"""What is kept of the closed windows of one key, or of a session that goes on."""
BYTES_PER_DATED: Final = 12
"""Its newest stamp and its key, of each device of a fleet with windows."""
BYTES_PER_WAITING: Final = 32
"""A reading that may still belong to a session, and its copy while sessions are closed."""
BYTES_PER_PARTNER: Final = 80
"""A reading that may still find a partner, and what sorts it."""

BYTES_ONCE: Final = 2 * 2**20
"""What a run makes once, however small its fleet is."""
BLOCK_DEVICES: Final = 16_384
"""Devices that are looked at together, see `twin.output`."""
BYTES_PER_LOOK: Final = 450
"""What a device takes while it is sampled and its reading received; for so many at once, and no more."""
BYTES_PER_FORWARDED: Final = 150
"""One reading in a gateway, with its time and number, in a table that has grown to twice what it needs."""


def needed_bytes(scenario: Scenario) -> int:
    """Memory that a run takes at most, with full buffers."""
    of_devices = sum(
        segment.devices * (_device_bytes(segment) + _buffered_bytes(segment) * segment.buffer.readings)
        for segment in scenario.fleet.segments
    )
    forwarded = BYTES_PER_FORWARDED * _most_forwarded(scenario)
    streams = sum(_window_bytes(scenario, window) for window in scenario.windows)
    streams += _silence_bytes(scenario)
    streams += sum(_join_bytes(scenario, join) for join in scenario.joins)
    by_name = {window.name: window for window in scenario.windows}
    streams += sum(
        BYTES_PER_END * each.over * _most_keys(scenario, by_name[each.left]) for each in scenario.correlations
    )
    return of_devices + forwarded + _watched_bytes(scenario) + streams + _passing_bytes(scenario)


def _passing_bytes(scenario: Scenario) -> int:
    """What does not grow with a large fleet."""
    return BYTES_ONCE + BYTES_PER_LOOK * min(scenario.fleet.devices, BLOCK_DEVICES)


def _buffered_bytes(segment: Segment) -> int:
    return BYTES_PER_WIDE_BUFFERED if segment.kind in WIDE_KINDS else BYTES_PER_BUFFERED


def _device_bytes(segment: Segment) -> int:
    """By what its devices have."""
    return (
        BYTES_PER_DEVICE
        + BYTES_PER_BATTERY * (segment.power is not None)
        + BYTES_PER_CLOCK * (segment.clock is not None)
        + BYTES_PER_HAZARDS * (segment.hazards != Hazards())
        + BYTES_PER_MESH * (segment.mesh is not None)
        + BYTES_PER_MIRROR * (segment.mirror is not None)
        + BYTES_PER_DUTY_CYCLE * segment.link.startswith("lorawan")
    )


def _watched_bytes(scenario: Scenario) -> int:
    """What detectors on values remember of every channel of every device; loads those that are named."""
    total = 0
    for name, settings in (scenario.detectors or {}).items():
        if "pattern" in settings:
            # An instant a step and match that are remembered, of every device.
            total += 8 * (len(settings["pattern"].steps) + settings.get("times", 1)) * scenario.fleet.devices
        if "model" in settings:
            total += _modelled_bytes(settings["model"], scenario.fleet, settings.get("on"))
        worker = settings.get("detector", name)
        if not catalogue.looks_at_values(worker):
            continue
        from twinstorm.detectors.values.fleet import bytes_a_series

        each = bytes_a_series(worker, {key: value for key, value in settings.items() if key != "detector"})
        for kind, devices in _devices_of_kinds(scenario.fleet, settings.get("on")).items():
            channels = _watched_channels(kind, settings.get("channels"), is_mirrored=kind in _mirrored(scenario.fleet))
            total += devices * (BYTES_PER_WATCHED + each * channels)
    return total


def _window_bytes(scenario: Scenario, window: Window) -> int:
    """What a named window takes, of as many keys as it can have."""
    segments = [segment for segment in scenario.fleet.segments if segment.kind == window.kind]
    keys = _most_keys(scenario, window)
    total = BYTES_PER_DATED * scenario.fleet.devices + BYTES_PER_KEY * keys
    if window.gap_us:
        waiting = sum(each.devices * (window.lateness_us // each.every_us + 2) for each in segments)
        return total + BYTES_PER_SUM * keys + BYTES_PER_WAITING * waiting
    # Open ones, one that is made, two spare ones, and the steps of a sliding window.
    panes = window.lateness_us // window.every_us + 5
    steps = window.width_us // window.every_us if window.width_us > window.every_us else 0
    return total + BYTES_PER_SUM * keys * (panes + steps)


def _most_keys(scenario: Scenario, window: Window) -> int:
    """How many keys a named window can have."""
    devices = sum(segment.devices for segment in scenario.fleet.segments if segment.kind == window.kind)
    return devices if window.by == "device" else min(devices, len(scenario.fleet.sites) + scenario.fleet.devices // 30)


def _silence_bytes(scenario: Scenario) -> int:
    """An instant of each channel and each device, and what is told of it while it is looked at; loads the kinds."""
    if scenario.continuity is None:
        return 0
    kinds = catalogue.machines(sorted({segment.kind for segment in scenario.fleet.segments}))
    widest = max((len(kind.channels) for kind in kinds), default=0)
    return scenario.fleet.devices * (16 * widest + 24)


def _join_bytes(scenario: Scenario, join: Join) -> int:
    """What waits for partners, with its copies while they are looked for."""
    waits_us = join.before_us + join.after_us + join.lateness_us
    waiting = sum(
        each.devices * (waits_us // each.every_us + 2)
        for each in scenario.fleet.segments
        if each.kind in (join.left[0], join.right[0])
    )
    return BYTES_PER_DATED * scenario.fleet.devices + BYTES_PER_PARTNER * waiting


class _OfKind(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def held(self) -> int: ...


def _modelled_bytes(model: _OfKind, fleet: Fleet, on: Selector | None) -> int:
    """What a stored model remembers of the devices of its kind."""
    from twinstorm.detectors.values import minutes, whole

    # The class of minutes takes less than that of readings; both stand for what a model may be of.
    each = max(whole.bytes_a_channel(model.held), minutes.bytes_a_channel())
    devices = _devices_of_kinds(fleet, on)[model.kind]
    return devices * (BYTES_PER_WATCHED + each * len(model.channels))


def _devices_of_kinds(fleet: Fleet, on: Selector | None) -> Counter[str]:
    """How many devices of each kind a selector names."""
    found: Counter[str] = Counter()
    for segment in fleet.segments:
        if on is None:
            found[segment.kind] += segment.devices
            continue
        only = replace(fleet, segments=(segment,))
        found[segment.kind] += Reach(only).count(on)
    return found


def _mirrored(fleet: Fleet) -> set[str]:
    """Kinds whose devices have residuals as well."""
    return {segment.kind for segment in fleet.segments if segment.mirror is not None}


def _watched_channels(kind: str, names: list[str] | None, *, is_mirrored: bool) -> int:
    from twinstorm.twin.mirror import residual_of

    channels = [channel for machine in catalogue.machines([kind]) for channel in machine.channels]
    channels += [residual_of(channel) for channel in channels] if is_mirrored else []
    return sum(channel.averaged if names is None else channel.name in names for channel in channels)


def _most_forwarded(scenario: Scenario) -> int:
    """Readings that gateways can hold at once: what has a place there, but not more than the run makes."""
    most = 0
    for gateways in scenario.fleet.segments:
        if gateways.gateway is None:
            continue
        carried = [segment for segment in scenario.fleet.segments if segment.through == gateways.name]
        made = sum(segment.devices * (scenario.duration_us // segment.every_us + 1) for segment in carried)
        places = gateways.devices * (gateways.gateway.buffer.readings + gateways.gateway.queue)
        most += min(places, made)
    return most


def refuse_what_cannot_fit(scenario: Scenario) -> None:
    """Say so before memory runs out, and how many devices would fit.

    Raises:
        Unavailable: if the machine has less memory than the scenario takes.
    """
    needed, available, devices = needed_bytes(scenario), available_memory_bytes(), scenario.fleet.devices
    if available is None or needed <= available:
        return
    passing = _passing_bytes(scenario)
    fit = _rounded_down(devices * max(available - passing, 0) // (needed - passing))
    room = f"{fit:,} device{'' if fit == 1 else 's'} fit" if fit else "not one device fits"
    raise Unavailable(
        f"memory for {devices:,} devices with their buffers",
        f"{_size(needed)} needed, {_size(available)} free: {room}",
        "Take fewer devices (--devices) or a smaller buffer (--set fleet.buffer.readings=...)"
        + (", or let detectors on values look at fewer channels" if _watched_bytes(scenario) else "")
        + (", or keep fewer windows and joins, or windows by site" if scenario.windows or scenario.joins else ""),
    )


def available_memory_bytes() -> int | None:
    """Memory that this process may still take: what the machine has free, within the limits of its control group and
    of its own address space. None where the system does not say."""
    known = [bound for bound in (_free(), _of_group(), _of_process()) if bound is not None]
    return max(min(known), 0) if known else None


def _free() -> int | None:
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _of_group(root: Path = Path("/sys/fs/cgroup"), of: Path = Path("/proc/self/cgroup")) -> int | None:
    """What the control group (version 2) and those above it leave."""
    paths = [line.removeprefix("0::") for line in _read(of).splitlines() if line.startswith("0::")]
    if not paths:
        return None
    folder = root / paths[0].strip("/")
    left = []
    for group in (folder, *folder.parents):
        most, used = _read(group / "memory.max").strip(), _read(group / "memory.current").strip()
        if most.isdigit() and used.isdigit():
            left.append(int(most) - int(used))
        if group == root:
            break
    return min(left, default=None)


def _of_process() -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return None
    pages = _read(Path("/proc/self/statm")).split()
    return most - int(pages[0]) * resource.getpagesize() if pages else most


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def _rounded_down(number: int) -> int:
    """To two digits: it is an estimate."""
    unit = 10 ** max(len(str(number)) - 2, 0)
    return number // unit * unit


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 // 10 else f"{count / 2**20:.1f} MiB"
