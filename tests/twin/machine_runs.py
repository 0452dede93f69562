"""Machines without a world, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words, stream, words
from twinstorm.twin.flow import Mask, Values
from twinstorm.twin.machines.air import DAY_US
from twinstorm.twin.machines.kind import Inputs, MachineKind
from twinstorm.twin.normal import normals


@dataclass
class Machines:
    """Some machines of one kind, measured without noise unless asked for.

    Attributes:
        values: what the last step measured, float32 (channels, n).
    """

    kind: MachineKind
    keys: Words
    seed: int = 1
    noisy: bool = False
    now_us: int = 0
    readings: int = 0
    values: Values = field(init=False)
    parameters: dict[str, Values] = field(init=False)
    state: dict[str, Values] = field(init=False)

    def __post_init__(self) -> None:
        self.parameters = self.kind.parameters(lambda number: words(stream(self.seed, number), self.keys, 0))
        self.state = self.kind.initial(self.parameters)
        self.values = np.full((len(self.kind.channels), len(self.keys)), np.nan, np.float32)

    def step(self, dt_us: int, running: Mask | None = None) -> Values:
        self.now_us += dt_us
        self.readings += 1
        drawn = np.stack(
            [words(stream(self.seed, 1_000 + i), self.keys, self.readings) for i in range(self.kind.words)]
        )
        noise = normals(drawn) if self.noisy else np.zeros((4 * self.kind.words, len(self.keys)), np.float32)
        inputs = Inputs(self.now_us, dt_us, running, self.now_us % DAY_US)
        self.kind.step(self.state, self.parameters, inputs, noise, self.values)
        return self.values

    def run(self, dt_us: int, times: int, running: Mask | None = None) -> Values:
        for _ in range(times):
            self.step(dt_us, running)
        return self.values

    def channel(self, name: str) -> NDArray[np.float32]:
        return self.values[[channel.name for channel in self.kind.channels].index(name)]


def some_keys(count: int, first: int = 0) -> Words:
    """Keys as spread as those of names."""
    return words(0, np.arange(first, first + count, dtype=np.uint64), 0)
