"""What a detector is, what it gets to see, and where detectors are found.

A detector learns what is normal and scores how far each device is from it; whether that is an alarm is the business of
its policy (`policy.py`) and of grouping (`grouping.py`). A new detector is one class that satisfies `Detector`, one
entry point in the group ``twinstorm.detectors`` (or ``twinstorm.requested_detectors``, of those that look only if a
scenario names them), and a test that runs `conformance.py` over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

import numpy as np

from twinstorm.detectors.fence import BrokenError
from twinstorm.detectors.lasting import UNKNOWN_NEWS, Lasting, News
from twinstorm.detectors.options import Option, typed
from twinstorm.detectors.policy import Policy
from twinstorm.detectors.tally import Tally
from twinstorm.twin.flow import Device, Int, Mask, Registry, Values
from twinstorm.twin.plugins import PluginError, Plugins, blamed, detectors

NO_EVENTS = Tally()

LONG_AGO_US = -(1 << 62)
"""Instant of a thing that has not happened yet; nothing that is compared with `now` is older."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the core knows at the end of one pane (a simulated second). Arrays are read-only, one row a device.

    Attributes:
        last_arrival_us: int64 (n,), when the newest accepted reading arrived; `LONG_AGO_US` before the first.
        session_live: bool (n,), birth seen, no will or close since.
        born_us: int64 (n,), the last birth message; `LONG_AGO_US` before the first.
        ended_us: int64 (n,), the last end of a session.
        rebooted_us: int64 (n,), the last time a device showed a new boot number; its first one does not count.
        rebooted: bool (n,), did so in this pane.
        attempts: int64 (up to 60,), CONNECT attempts in each of the last panes, the newest last.
        refused: int64, the same for refusals.
        queue: messages waiting at the broker at the end of the pane.
        broker_up: as the broker's counters say.
        emptied_us: the last end of a pane at which nothing waited at the broker; `now_us` if nothing does, and when the
            core began if something always did.
        waited_us: for how long what has waited longest has done so, at the broker or to be processed; 0: nothing does.
        planned: bool (n,), reboots of this pane that somebody had announced; None: there are none.
        drifted_us: int64 (n,), since when each device has reported a configuration that it should not have; `NEVER_US`
            while it reports the right one, `LONG_AGO_US` where nobody knows; None: nobody asks.
        battery_us: int64 (n,), for how long a full battery would last, 0 where nobody knows; None: nobody asks.
        tally: events of the pane.
        letters, astray: int64 (up to 60,), dead letters in each of the last panes, the newest last, and messages on
            strange topics among them; see `Ingest`.
        news: what came since the last batch.
    """

    now_us: int
    last_arrival_us: Int
    session_live: Mask
    born_us: Int
    ended_us: Int
    rebooted_us: Int
    rebooted: Mask
    attempts: Int
    refused: Int
    queue: int
    broker_up: bool
    news: News = UNKNOWN_NEWS
    emptied_us: int = 0
    waited_us: int = 0
    planned: Mask | None = None
    battery_us: Int | None = None
    drifted_us: Int | None = None
    tally: Tally = NO_EVENTS
    letters: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    astray: Int = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.session_live)


class Scorer(Protocol):
    """What the core asks of whatever scores devices: a `Detector`, or a detector on values at work on a fleet."""

    @property
    def name(self) -> str: ...
    @property
    def headline(self) -> str: ...

    policy: Policy

    def learn(self, batch: Batch) -> None: ...
    def score(self, batch: Batch) -> Values: ...


class Detector(Protocol):
    """Scores devices once a pane. State is plain data of bounded size, so that a pickle is a snapshot.

    `learn` and `score` are two calls: `score` changes nothing and works before anything was learnt; `learn` is called
    after it, once a pane, unless the detector is about to raise or has raised an alarm (the core sees to that).
    """

    name: ClassVar[str]
    """Also the name of its alarms."""
    summary: ClassVar[str]
    """One line for lists."""
    headline: ClassVar[str]
    """What happened to the affected devices, for titles: ``fell silent`` reads ``12 devices fell silent``."""
    options: ClassVar[tuple[Option, ...]]

    policy: Policy

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        """
        Args:
            settings: a value for every one of `options`, of its type.
        """

    def learn(self, batch: Batch) -> None:
        """Take this pane as normal."""

    def score(self, batch: Batch) -> Values:
        """How far each device is from normal: float32 (n,), 1.0 at the detector's limit, NaN where nothing can be said.

        Changes neither the batch nor the detector.
        """


@runtime_checkable
class Restful(Detector, Protocol):
    """A detector that can say for how long nobody will reach its limits, so that it need not score every device each
    second. Without it a detector scores in every pane."""

    def quiet(self, batch: Batch) -> Lasting | None:
        """For how long no device scores the policy's `clear_threshold`; None: one does, or nobody knows.

        Changes neither the batch nor the detector, and is asked after it has learnt from the pane before.
        """


@runtime_checkable
class Patient(Restful, Protocol):
    """A detector that need not see each of the panes in which its answer holds and nothing else happens. If all are,
    calm seconds cost nearly nothing."""

    def pass_by(self, panes: int) -> None:
        """The same as to learn from so many panes, one after the other, since the one that was learnt last: in all of
        them the answer of `quiet` held and no counter of the broker changed."""


@runtime_checkable
class Steady(Patient, Protocol):
    """A detector whose alarms stay open for days, in which the same devices are affected: these days cost no more than
    calm ones. Its policy clears at once (`clear_us` 0)."""

    def settled(self, batch: Batch) -> Lasting | None:
        """For how long nobody's score passes `threshold` or `clear_threshold` either way; None: nobody knows.

        Changes neither the batch nor the detector.
        """


@runtime_checkable
class Telling(Scorer, Protocol):
    """A detector that has more to say of the devices of an alarm than their scores."""

    def says(self, device: Device) -> str:
        """What it knows of these devices, int32, in one line; empty: nothing."""


@runtime_checkable
class Choosy(Protocol):
    """A detector class that says for which fleets it is of any use. In others it looks only if it is named."""

    @classmethod
    def concerns(cls, registry: Registry) -> bool: ...


BY_DEFAULT: Final = "detector"
ON_REQUEST: Final = "detector on conduct"
"""Words of `plugins.GROUPS`."""


@cache
def catalogue() -> Plugins[type[Detector]]:
    """Name to class of every installed detector, ours and strangers', sorted by name; loaded when asked for."""
    return detectors(BY_DEFAULT)


@cache
def requested() -> Plugins[type[Detector]]:
    """Name to class of those that look only if they are named, sorted by name; loaded when asked for."""
    return detectors(ON_REQUEST)


class Unusable:
    """Stands in for an installed detector that cannot be loaded or made: the core takes it out in its first pane, with
    an incident that says why.

    Args:
        what: is wrong with it, and whose it is.
    """

    summary: ClassVar[str] = "cannot be used"
    headline: ClassVar[str] = ""
    options: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, name: str, what: str) -> None:
        self.name, self._what = name, what
        self.policy = Policy(share=1.0, fleet_share=1.0)

    def learn(self, batch: Batch) -> None:  # noqa: ARG002
        raise BrokenError(self._what)

    def score(self, batch: Batch) -> Values:  # noqa: ARG002
        raise BrokenError(self._what)


def build(registry: Registry, wanted: Mapping[str, Mapping[str, Any]] | None) -> list[Scorer]:
    """Detectors of a run, sorted by name.

    Args:
        wanted: detector to its settings, as text or typed; None: every one that need not be named, with its defaults,
            and of one that cannot be used what says so: nobody asked for it, and the others look.

    Raises:
        ValueError: unknown detector or setting, or a value of the wrong kind; the text names what is allowed.
        PluginError: one that is named cannot be loaded, or not be made.
    """
    if wanted is None:
        return [_one_or_why(registry, name) for name in catalogue() if _concerns(name, registry)]
    for name in wanted:
        if name not in catalogue() and name not in requested():
            raise ValueError(f"unknown detector `{name}`; allowed: {', '.join((*catalogue(), *requested()))}")
    return [_one(registry, name, wanted[name] or {}) for name in sorted(wanted)]


def _concerns(name: str, registry: Registry) -> bool:
    """Whether one that need not be named has anything to look at. Strangers always do."""
    kind: Any = None if catalogue().is_foreign(name) else catalogue().tried_one(name)
    return not isinstance(kind, Choosy) or kind.concerns(registry)


def _one_or_why(registry: Registry, name: str) -> Scorer:
    try:
        return _one(registry, name, {})
    except PluginError as error:
        return Unusable(name, error.what + f" (it comes with {error.by})" * bool(error.by))


def _one(registry: Registry, name: str, settings: Mapping[str, Any]) -> Detector:
    word, among = (BY_DEFAULT, catalogue()) if name in catalogue() else (ON_REQUEST, requested())
    kind = among[name]
    if settings:
        return _made(word, name, kind, registry, typed(f"detector `{name}`", kind.options, settings))
    with blamed(word, name, kind, "options"):  # its defaults are its own
        values = typed(f"detector `{name}`", kind.options, {})
    return _made(word, name, kind, registry, values)


def _made(word: str, name: str, kind: Any, registry: Registry, values: Mapping[str, Any]) -> Detector:
    with blamed(word, name, kind, "__init__"):
        made: Detector = kind(registry, values)
        return made
