"""What can be wrong with a sensor: laid over the true values at the moment of sampling.

The machine is well, its sensor is not. Each fault changes what some devices of one sample group tell on some channels;
faults that overlap act one after the other, in the order in which they began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from twinstorm.twin.chance import Words, below, words
from twinstorm.twin.flow import Channel, Device, Mask, Values
from twinstorm.twin.normal import normals
from twinstorm.twin.resolution import Scale, Steps
from twinstorm.twin.rows import Rows, meet


@dataclass(frozen=True)
class Sampled:
    """A block of readings that is being made.

    Attributes:
        block: its devices.
        values: float32 (channels, n), on the sensors' grid; changed in place.
        steps: int16 (channels, n), the same; changed in place.
        exist: bool (n,), whose readings exist.
        seq: int64 (n,), number of each reading.
        key: uint64 (n,), of the devices.
    """

    now_us: int
    block: Rows
    values: Values
    steps: Steps
    exist: Mask
    seq: np.ndarray
    key: Words
    scale: Scale


@dataclass(frozen=True)
class Order:
    """Which sensors a step is about.

    Attributes:
        device: int32, ascending, all of one sample group.
        columns: of `channels` among the channels of the kind.
        stream: key of the chance in it.
    """

    step: str
    device: Device
    columns: tuple[int, ...]
    channels: tuple[Channel, ...]
    stream: int
    from_us: int


@dataclass
class SensorFault:
    """What the sensors of an order tell.

    Attributes:
        changed: readings that told something else than they would have without it, so far.
    """

    order: Order
    changed: int = field(default=0, init=False)

    within_range: ClassVar[bool] = True
    """The sensor itself is at fault and can report no more than its range; else what comes behind it."""

    @property
    def step(self) -> str:
        return self.order.step

    @property
    def device(self) -> Device:
        return self.order.device

    def overlay(self, block: Sampled) -> None:
        """Replace what this fault changes."""
        order = self.order
        mine, rows = meet(order.device, block.block)
        if not len(rows):
            return
        sampled = Part(mine, rows, block.exist[rows], block)
        truth = [block.values[column, rows] for column in order.columns]
        differs = np.zeros(len(rows), np.bool_)
        for column, channel, told in zip(order.columns, order.channels, self.told(truth, sampled), strict=True):
            if self.within_range:
                told.clip(np.float32(channel.lowest), np.float32(channel.highest), out=told)
            steps = block.scale.steps_of(column, told)
            differs |= steps != block.steps[column, rows]
            block.steps[column, rows] = steps
            block.values[column, rows] = block.scale.values_of(column, steps)
        self.changed += int(np.count_nonzero(differs & sampled.exist))

    def told(self, truth: list[Values], part: Part) -> list[Values]:
        """What the sensors say, one new array (m,) a channel."""
        raise NotImplementedError


@dataclass(frozen=True)
class Part:
    """The devices of one fault that stand in one block.

    Attributes:
        mine: their rows among the devices of the fault.
        rows: their rows in the block.
    """

    mine: Rows
    rows: np.ndarray
    exist: Mask
    block: Sampled

    def draws(self, stream: int, number: int) -> Words:
        """A keyed word for each of these readings."""
        return words(stream + number, self.block.key[self.rows], self.block.seq[self.rows])


@dataclass
class Stuck(SensorFault):
    """Each device repeats the value of its first sample under the fault.

    Attributes:
        held: float32 (channels, devices), what each repeats; valid where `has`.
    """

    held: Values = field(init=False)
    has: Mask = field(init=False)

    def __post_init__(self) -> None:
        self.held = np.zeros((len(self.order.columns), len(self.device)), np.float32)
        self.has = np.zeros(len(self.device), np.bool_)

    def told(self, truth: list[Values], part: Part) -> list[Values]:
        has = self.has[part.mine]
        fresh = ~has & part.exist
        for held, true in zip(self.held, truth, strict=True):
            held[part.mine] = np.where(fresh, true, held[part.mine])
        has = has | fresh
        self.has[part.mine] = has
        return [np.where(has, held[part.mine], true) for held, true in zip(self.held, truth, strict=True)]


@dataclass
class Scaled(SensorFault):
    """A wrong line: ``gain * truth + shift``, and `per_s` more of a shift each second (bias, calibration, drift).

    Attributes:
        shift, per_s: one a channel, in its unit.
    """

    gain: float
    shift: tuple[float, ...]
    per_s: tuple[float, ...]

    def told(self, truth: list[Values], part: Part) -> list[Values]:
        since_s = (part.block.now_us - self.order.from_us) / 1e6
        return [
            true * np.float32(self.gain) + np.float32(shift + per_s * since_s)
            for true, shift, per_s in zip(truth, self.shift, self.per_s, strict=True)
        ]


@dataclass
class Converted(SensorFault):
    """The right value in another unit, told as if it were the channel's.

    Attributes:
        lines: gain and shift, one a channel.
    """

    lines: tuple[tuple[float, float], ...]

    within_range: ClassVar[bool] = False

    def told(self, truth: list[Values], part: Part) -> list[Values]:  # noqa: ARG002
        return [
            true * np.float32(gain) + np.float32(shift) for true, (gain, shift) in zip(truth, self.lines, strict=True)
        ]


@dataclass
class Noisy(SensorFault):
    """More noise: normal, with a standard deviation for each channel in its unit."""

    deviation: tuple[float, ...]

    def told(self, truth: list[Values], part: Part) -> list[Values]:
        drawn = [normals(part.draws(self.order.stream, number))[0] for number in range(len(truth))]
        return [
            true + np.float32(deviation) * noise
            for true, deviation, noise in zip(truth, self.deviation, drawn, strict=True)
        ]


@dataclass
class Spiking(SensorFault):
    """Now and then one value is far off, up or down.

    Attributes:
        height: one a channel, in its unit.
        share: of the readings, 0..1.
    """

    height: tuple[float, ...]
    share: float

    def told(self, truth: list[Values], part: Part) -> list[Values]:
        told = []
        for number, (true, height) in enumerate(zip(truth, self.height, strict=True)):
            draws = part.draws(self.order.stream, number)
            off = np.where((draws & np.uint64(1)).astype(np.bool_), np.float32(height), np.float32(-height))
            told.append(np.where(chosen(draws, self.share), true + off, true))
        return told


@dataclass
class Silent(SensorFault):
    """Now and then, or always, a channel has no value.

    Attributes:
        share: of the readings, 0..1.
    """

    share: float

    def told(self, truth: list[Values], part: Part) -> list[Values]:
        lost = chosen(part.draws(self.order.stream, 0), self.share)
        return [np.where(lost, np.float32(np.nan), true) for true in truth]


@dataclass
class Swapped(SensorFault):
    """Two channels, each told under the name of the other."""

    within_range: ClassVar[bool] = False

    def told(self, truth: list[Values], part: Part) -> list[Values]:  # noqa: ARG002
        first, second = truth
        return [second, first]


def chosen(draws: Words, share: float) -> Mask:
    """Which of the draws belong to a share of all."""
    return below(draws, 1_000_000) < round(share * 1_000_000)
