"""What a detector on values is, what it sees, and where such detectors are found.

A *series* is one channel of one device, or one column of a file. A detector keeps a column of state for each of its
series and looks at one value of each of them at a time, so that a fleet and a file are the same to it. A new one is a
class that extends `ValueDetector`, an entry point in the group ``twinstorm.value_detectors``, and a test that runs
`conformance.py` over it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.options import Option, typed
from twinstorm.twin.flow import Int
from twinstorm.twin.plugins import Plugins, blamed, detectors

ON_VALUES: Final = "detector on values"
"""Word of `plugins.GROUPS`."""

Reals = NDArray[np.float64]
Which = slice | Int
"""Series: all that a slice names, or their numbers, each once."""

ALL = slice(None)


DECISION: tuple[Option, ...] = (
    Option("threshold", "number", "1", "score from which a value counts; 1 is the limit of the detector", least="0.01"),
    Option("clear_threshold", "share", "100 %", "of `threshold`: down to that an open alarm stays open"),
    Option("persist", "count", "1", "values in a row of one channel that must count", least="1", most="30000"),
    Option("within", "duration", "0 s", "for how long such a value counts; 0 s: until the device's next reading"),
    Option("share", "share", "30 %", "of a site, segment, ... that must be affected for an alarm about it"),
    Option("devices", "count", "5", "affected devices that make a group", least="1"),
    Option("hold", "duration", "3 s", "how long the condition must last"),
    Option("clear", "duration", "60 s", "how long it must be absent before the alarm is over"),
    Option("quiet", "duration", "60 s", "how long after that there is no other alarm about the same group"),
    Option("severity", "word", "ticket", "of an alarm about a group", choices=("page", "ticket")),
    Option(
        "adaptive",
        "word",
        "auto",
        "whether each series learns a limit of its own from its past; `auto`: unless `channels` says what to watch "
        "(`ensemble`: always; `forecast`: unless `train` is set)",
        choices=("auto", "true", "false"),
    ),
    Option("learn", "duration", "15 min", "if it is adaptive: what a series shows for so long is taken as normal"),
)
"""When scores are an alarm: settings that every detector on values has beside its own."""


@dataclass(frozen=True, slots=True)
class Finest:
    """What sensors can tell apart.

    Attributes:
        step: float64 (series,), the least difference that the sensor of each tells, 0 where nobody knows.
    """

    step: Reals


@dataclass(frozen=True, slots=True)
class Ends:
    """Between what sensors can tell: at an end of it a quantity may go on while its values stand still.

    Attributes:
        lowest, highest: float64 (series,).
    """

    lowest: Reals
    highest: Reals


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of each of some series.

    Attributes:
        at_us: int64 (k,), when each was sampled, microseconds since 1970.
        values: float64 (k,), NaN where there is none. Never infinite, nor beyond 1e100.
        series: whose they are, in the same order.
    """

    at_us: Int
    values: Reals
    series: Which = field(default_factory=lambda: ALL)


class ValueDetector(ABC):
    """Scores how far the values of series are from what is normal for them.

    State is plain data in arrays of bounded size whose last axis is the series: a pickle is a snapshot, and what one
    series shows changes no score of another. `score` changes nothing; `learn` takes the same sample as seen.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for lists."""
    headline: ClassVar[str] = "tell what they never told before"
    """What the devices of an alarm do, for titles: ``repeat themselves`` reads ``12 devices repeat themselves``."""
    options: ClassVar[tuple[Option, ...]]
    most_bytes: ClassVar[int] = 0
    """What a series takes at most outside of arrays, where a library keeps its state; such state may grow to that."""
    leap: ClassVar[float] = 10.0
    """Where limits are learnt: so many times the highest calm score of a series, or 1.0 if that is more, is too much.
    1: the limit of 1.0 fits each series already, because it is told from the series' own past. 0: somebody knows the
    limit, and nothing is learnt."""
    changes: ClassVar[int] = 100
    """And values unlike the one before that a series must have shown first."""
    least_us: ClassVar[int] = 0
    """And for how long at least."""
    chosen_by: ClassVar[tuple[str, ...] | None] = ("channels",)
    """Who sets one of these has chosen the limit, so that none is learnt unless `adaptive` asks for it; None: nobody
    can, and it always is."""
    decides: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Settings of `DECISION` whose defaults are others here."""
    finest: Finest | None = None
    """None: nobody has said what sensors can tell apart."""
    sees_ends: ClassVar[bool] = False
    """Whether it makes use of `ends`."""
    ends: Ends | None = None
    """Of the sensors, set before the first sample where somebody knows them."""

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        """
        Args:
            series: how many there are.
            settings: a value for every one of `options`, of its type.
        """
        self.settings = dict(settings)
        self.series = series

    def leaps(self) -> float:
        """`leap`, with the settings that it has."""
        return self.leap

    def tells(self, finest: Finest) -> None:
        """Hear what sensors can tell apart, before the first sample. A detector that divides by a spread takes it for
        no less than a step (`at_least_a_step`); others need not listen."""
        self.finest = finest

    def at_least_a_step(self, series: Which, spread: Reals) -> Reals:
        """A spread of each of some series, float64 (k,), but no less than their sensors can tell."""
        return spread if self.finest is None else np.maximum(spread, self.finest.step[series])

    @classmethod
    def contradiction(cls, settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        """Why these values of `options` do not go together; empty: they do."""
        return ""

    @classmethod
    def missing(cls) -> str:
        """The command that installs what this detector needs and is not there; empty: nothing is missing."""
        return ""

    @classmethod
    def fleet_options(cls) -> tuple[Option, ...]:
        """All settings in a scenario, its own first, which win where names are the same."""
        own = {option.name for option in cls.options}
        decided = (option for option in DECISION if option.name not in own)
        return (
            *cls.options,
            *(replace(option, default=cls.decides.get(option.name, option.default)) for option in decided),
        )

    @abstractmethod
    def score(self, sample: Sample) -> Reals:
        """How far each value is from normal: float64 (k,), 1.0 at the detector's limit, NaN where nothing can be said:
        no value, or too little learnt."""

    @abstractmethod
    def learn(self, sample: Sample) -> None:
        """Take the sample as seen. A NaN teaches nothing."""

    def look(self, sample: Sample) -> tuple[Reals, Callable[[], None]]:
        """`score`, and what is left to do to `learn`: for detectors that can share work between the two."""
        return self.score(sample), partial(self.learn, sample)

    def step(self, sample: Sample) -> Reals:
        """`score`, then `learn`: for detectors that learn while they score, and do not say what is `normal`."""
        score, learn = self.look(sample)
        learn()
        return score

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals] | None:  # noqa: ARG002
        """Between what these values have to lie to score less than `reach`, for people: float64 (k,) each, infinite or
        NaN where there is no such bound; None: the detector looks at more than a value, and cannot say. A detector that
        says it is asked to `look`, for `normal`, and only then learns, instead of to `step`.

        Args:
            sample: values that it has just scored and not learnt yet.
            reach: float64 (k,), the score from which each would count: 1.0 unless somebody set or learnt another one,
                NaN where nobody knows.
        """
        return None

    def is_now(self, now_us: int) -> None:  # noqa: B027 - most wait for nothing
        """Hear the time, before `forget`: for whoever waits for something and may hear nothing for long."""

    def forget(self, series: Which) -> None:
        """Begin anew with some series: their sensor was calibrated, or replaced."""
        _reset(self, type(self)(1, self.settings), series)


@dataclass(frozen=True, slots=True)
class Peers:
    """Who is compared with whom.

    Attributes:
        group: int64 (series,), from 0; series of one number are each other's like.
        resolution: float64 (series,), the least difference that a sensor tells, 0 where nobody knows.
    """

    group: Int
    resolution: Reals

    @staticmethod
    def all_of(series: int) -> Peers:
        """Everybody is the like of everybody, and nobody knows how finely they tell."""
        return Peers(np.zeros(series, np.int64), np.zeros(series))


ALIKE: tuple[Option, ...] = (
    Option("window", "duration", "5 min", "so long a stretch is compared, as the mean of what came in it", least="1 s"),
    Option(
        "peers",
        "word",
        "site",
        "who is alike, always of one kind: those of it at a `site`, of a `segment`, of both, or all of the `kind`",
        choices=("site", "segment", "segment-and-site", "kind"),
    ),
)
"""What detectors that compare series need to be told of a fleet."""


class Comparing(ValueDetector):
    """Scores how far the values of series are from those of their like at the same time, and needs to be told who is
    alike (`among`); until then all series are. So here a series does change scores of others, but only of its like.

    A sample holds one instant of all that are compared; whoever is not in it takes no part. In a fleet that is not one
    reading but the mean of a window (`ALIKE`), because devices do not sample together.
    """

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self.peers = Peers.all_of(series)

    @classmethod
    def fleet_options(cls) -> tuple[Option, ...]:
        """Those of every detector on values, and what tells who is alike."""
        own = {option.name for option in cls.options}
        return (*(option for option in ALIKE if option.name not in own), *super().fleet_options())

    @property
    def fewest(self) -> int:
        """So many of a group must be heard at a time; of fewer it says nothing."""
        return 2

    def among(self, peers: Peers) -> None:
        """Say who is compared with whom, before the first sample."""
        self.peers = peers


def _reset(mine: object, blank: object, series: Which) -> None:
    """Copy the one column of a detector that has seen nothing over those of some series."""
    for name, fresh in vars(blank).items():
        if isinstance(fresh, np.ndarray):
            getattr(mine, name)[..., series] = fresh
        elif hasattr(fresh, "__dict__"):
            _reset(getattr(mine, name), fresh, series)


@cache
def catalogue() -> Plugins[type[ValueDetector]]:
    """Name to class of every installed detector on values, ours and strangers', sorted by name; loaded when asked
    for."""
    return detectors(ON_VALUES)


def build(name: str, series: int, settings: Mapping[str, Any] | None = None) -> ValueDetector:
    """A detector by its name.

    Args:
        settings: as text or typed; what is missing has its default.

    Raises:
        ValueError: unknown detector or setting, or a value of the wrong kind; the text names what is allowed.
        PluginError: it cannot be loaded, or not be made.
    """
    known = catalogue()
    if name not in known:
        raise ValueError(f"unknown detector `{name}`; allowed: {', '.join(known)}")
    kind = known[name]
    must_be_whole(kind)
    values = typed(f"detector `{name}`", kind.options, settings or {})
    with blamed(ON_VALUES, name, kind, "__init__"):
        return kind(series, values)


def must_be_whole(kind: type[ValueDetector]) -> None:
    """Raises ValueError, with the command that helps, if a detector lacks what it needs."""
    if kind.missing():
        raise ValueError(f"detector `{kind.name}` needs what is not installed: {kind.missing()}")


def defaults(options: Sequence[Option], owner: str = "detector") -> dict[str, Any]:
    """Typed values of all options as they are if nobody sets them."""
    return typed(owner, options, {})
