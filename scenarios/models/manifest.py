"""What is known of a stored model without looking at its parameters, and how one is found.

A store is a folder. In it each name has one of its own: `1.json` and `1.npz` are version 1, `state.json` says which
version is live. Numbers are given once: that of a version that was deleted does not come again.

Needs no NumPy: a scenario that names a model is read by this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from twinstorm.scenarios.language.errors import closest, listed, quoted
from twinstorm.scenarios.language.values import NAME

FORMAT: Final = 3
"""The newest of a manifest; grows with every change that an older reader would misread. 3 is that of features by
minutes."""
OF_CONDITIONS: Final = 2
ANOMALY: Final = "anomaly"
CONDITION: Final = "condition"
TASKS: Final = (ANOMALY, CONDITION)
"""What models are for: to tell what is strange, or what is wrong and how long it will last."""
STATE: Final = "state.json"
MOST_BYTES: Final = 1 << 20

T = TypeVar("T")

_LABEL = re.compile(rf"({NAME})(?:@([1-9][0-9]{{0,8}}))?")


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What taught a version.

    Attributes:
        digest: of the event log of the run.
        from_s, to_s: of the run, by the devices' own clocks.
        devices: that told these rows. rows: that were learnt. of_rows: healthy ones, from which they were drawn.
        left_out: rows that belong to a fault or its aftermath, by the labels of the run.
    """

    scenario: str
    seed: int
    digest: str
    from_s: float
    to_s: float
    devices: int
    rows: int
    of_rows: int
    left_out: int


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What a version is worth on a recorded run, by its labels.

    Attributes:
        faults: that bit and struck a device of the kind. found: those that raised one of its alarms.
        alarms: it raised. caused: those with a fault behind.
        delay_s: median over found faults, to the first alarm of each.
        false_alarms_per_day: a device of the kind, simulated and after the warm-up.
        drift: population stability index of the feature that moved most in a window, by what it is allowed to.
            drift_limit: of that feature, from which the model is out of date.
    """

    scenario: str
    seed: int
    digest: str
    devices: int
    days: float
    faults: int
    found: int
    alarms: int
    caused: int
    precision: float | None
    recall: float | None
    delay_s: float | None
    false_alarms: int
    false_alarms_per_day: float | None
    drift: float
    drift_feature: str
    drift_limit: float


class ConditionWorth(msgspec.Struct, frozen=True, kw_only=True):
    """What a model of conditions is worth on a recorded run, by the truth about its machines: a row is a device at the
    end of a minute.

    Attributes:
        horizon_s: within which machines fail or do not.
        rows: that were judged, of so many devices.
        types: what was really wrong, and what was said: rows by truth, then by answer. What does not show yet is in
            none of them.
        right: share of these rows that were named as they are. balanced: mean of that share over types.
        health_error: mean absolute error of health, which goes from 0 to 100.
        covered: share of remaining lives within their bounds. promised: what that should be.
        covered_near: the same of machines that last no longer than ten times the horizon; None: there are none.
        life_factor: of those, median of the factor by which the expected life is off.
        failing: rows of machines that failed within the horizon. precision, recall: of the answer that they do.
    """

    scenario: str
    seed: int
    digest: str
    horizon_s: float
    devices: int
    rows: int
    types: dict[str, dict[str, int]]
    right: float | None
    balanced: float | None
    health_error: float
    covered: float
    promised: float
    covered_near: float | None
    life_factor: float | None
    failing: int
    precision: float | None
    recall: float | None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One version.

    Attributes:
        created: simulated date of the last row that taught it.
        detector: whose model it is: ``pyod:PCA``.
        rare: share of the rows that taught it beyond its limit.
        level: readings of a device that make its level, from which its values are told; 0: values as they are.
        seed: of the draw of rows.
        usual, limit: what the model says of the middle row and of the last normal one, in its own unit.
        features: names of all columns of a row. held: values that windows of minutes hold; 0: rows are by rows.
        parameters: SHA-256 of its parameters, see `detectors.values.model.Model.digest`.
        parent: version that it was retrained from; None: none.
        evaluation: on the run that taught it, faults included.
        task: one of `TASKS`. Of conditions `rare`, `level`, `usual` and `limit` say nothing.
        others: further runs that taught it.
        types: that it can name. worth: of conditions, on a run that did not teach it; None: nobody has looked.
    """

    model: int = 1
    name: str
    version: int
    created: str
    detector: str
    kind: str
    channels: tuple[str, ...]
    rare: float
    level: int
    seed: int
    trained: Trained
    usual: float
    limit: float
    features: tuple[str, ...]
    parameters: str
    parent: int | None = None
    evaluation: Evaluation | None = None
    task: str = ANOMALY
    others: tuple[Trained, ...] = ()
    types: tuple[str, ...] = ()
    worth: ConditionWorth | None = None
    held: int = 0


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Which version of a name is live.

    Attributes:
        live: versions that were, the one that is last. newest: highest number that was ever given.
    """

    live: tuple[int, ...] = ()
    newest: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """One version in a store."""

    store: Path
    manifest: Manifest

    def __str__(self) -> str:
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def kind(self) -> str:
        return self.manifest.kind

    @property
    def channels(self) -> tuple[str, ...]:
        return self.manifest.channels

    @property
    def held(self) -> int:
        return self.manifest.held

    @property
    def parameters(self) -> Path:
        return self.store / self.manifest.name / f"{self.manifest.version}.npz"

    @property
    def is_live(self) -> bool:
        return state_of(self.store, self.manifest.name).live[-1:] == (self.manifest.version,)


class NoSuchModel(ValueError):
    """A name, or a version, that a store does not have, or that cannot be read.

    Attributes:
        what, hint: for people. allowed, meant: what there is, and what was probably meant.
    """

    def __init__(self, what: str, hint: str = "", allowed: tuple[str, ...] = (), meant: str = "") -> None:
        super().__init__(what, hint, allowed, meant)
        self.what, self.hint, self.allowed, self.meant = what, hint, allowed, meant

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what

    @property
    def advice(self) -> str:
        """One thing to try."""
        if self.meant:
            return f"did you mean {quoted(self.meant)}?"
        return self.hint or (f"there are {listed(self.allowed)}" if self.allowed else "")


def parts_of(label: str) -> tuple[str, int | None]:
    """Name and version of ``pumps@2``; without a version None.

    Raises:
        NoSuchModel: it is not written like that.
    """
    found = _LABEL.fullmatch(label.strip())
    if found is None:
        raise NoSuchModel(f"{quoted(label)} names no model", "write NAME or NAME@VERSION: `pumps`, `pumps@2`")
    return found[1], None if found[2] is None else int(found[2])


def names(store: Path) -> tuple[str, ...]:
    """What a store has, sorted; nothing if there is no such folder."""
    if not store.is_dir():
        return ()
    return tuple(sorted(each.name for each in store.iterdir() if (each / STATE).is_file()))


def state_of(store: Path, name: str) -> State:
    """Raises NoSuchModel."""
    if name not in names(store):
        known = names(store)
        if not known:
            raise NoSuchModel(f"there is no model in {store}", "twinstorm models train RUN --name NAME makes one")
        meant = closest(name, known)
        raise NoSuchModel(f"there is no model {quoted(name)} in {store}", "", known, meant)
    return _read(store / name / STATE, State)


def versions(store: Path, name: str) -> tuple[int, ...]:
    """Numbers of the versions of a name, ascending. Raises NoSuchModel."""
    state_of(store, name)
    return tuple(sorted(int(each.stem) for each in sorted((store / name).glob("*.json")) if each.stem.isdecimal()))


def find(store: Path, label: str) -> Stored:
    """One version, by ``NAME@VERSION`` or by ``NAME``: the live one.

    Raises:
        NoSuchModel: there is none.
    """
    name, number = parts_of(label)
    state = state_of(store, name)
    if number is None:
        if not state.live:
            raise NoSuchModel(f"no version of {quoted(name)} is live", f"twinstorm models promote {name}@VERSION")
        number = state.live[-1]
    known = versions(store, name)
    if number not in known:
        allowed = tuple(f"{name}@{each}" for each in known)
        raise NoSuchModel(f"there is no version {number} of {quoted(name)} in {store}", "", allowed)
    manifest = _read(store / name / f"{number}.json", Manifest)
    if manifest.model > FORMAT:
        raise NoSuchModel(f"{name}@{number} was written by a newer twinstorm", "use that one")
    if (manifest.name, manifest.version) != (name, number):
        raise NoSuchModel(f"{store / name / f'{number}.json'} is {manifest.name}@{manifest.version}", "rename it")
    return Stored(store, manifest)


def _read(path: Path, kind: type[T]) -> T:
    """A file of a store.

    Raises:
        NoSuchModel: it cannot be read.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NoSuchModel(f"{path} is larger than a manifest can be", "look whether this is the right file")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise NoSuchModel(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise NoSuchModel(f"{path} is not what this version writes: {error}") from None
