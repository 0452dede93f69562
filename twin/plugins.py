"""Classes that distributions bring along, ours and strangers': found by entry points, loaded when asked for, named when
they fail.

A plug-in that is broken breaks what uses it and nothing else. Whoever calls into one does so under `blamed`, so that
what it raises is told as its own fault and not as that of twinstorm. Nothing here needs NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Generic, TypeVar

OURS: Final = "twinstorm"
GROUPS: Final = {
    "machine kind": "twinstorm.machines",
    "fault": "twinstorm.faults",
    "detector": "twinstorm.detectors",
    "detector on conduct": "twinstorm.requested_detectors",
    "detector on values": "twinstorm.value_detectors",
}
"""What it is to the group of its entry points."""

OF_DETECTORS: Final = ("name", "summary", "options", "score", "learn")
"""What a detector of any sort must have."""
OF_VALUE_DETECTORS: Final = (*OF_DETECTORS, "step", "fleet_options", "missing", "contradiction")
"""What one that looks at values has from its base class."""

T = TypeVar("T")


class PluginError(Exception):
    """A plug-in does not keep to its contract: it cannot be loaded, it raises, or it hands back what it must not.

    Attributes:
        who: what it is, with its module and distribution.
        what: what it did, and what is allowed.
        by: name of its distribution; empty: none is known.
    """

    def __init__(self, who: str, what: str, by: str = "") -> None:
        super().__init__(who, what, by)
        self.who, self.what, self.by = who, what, by

    def __str__(self) -> str:
        return f"{self.who}: {self.what}"


class Plugins(Mapping[str, T], Generic[T]):
    """Installed plug-ins of one sort, by name and sorted. A look at one loads it; names alone load nothing.

    Args:
        word: what they are, see `GROUPS`.
        made: from what an entry point names to what is kept.
        flaws: what is wrong with what was made.
    """

    def __init__(self, word: str, made: Callable[[Any], T], flaws: Callable[[str, T], Iterable[str]]) -> None:
        self._word, self._made, self._flaws = word, made, flaws
        self._loaded: dict[str, T] = {}

    @cached_property
    def _offers(self) -> Mapping[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=GROUPS[self._word]):
            found.setdefault(point.name, []).append(point)
        return dict(sorted(found.items()))

    def __iter__(self) -> Iterator[str]:
        return iter(self._offers)

    def __len__(self) -> int:
        return len(self._offers)

    def __contains__(self, name: object) -> bool:
        return name in self._offers

    def __getitem__(self, name: str) -> T:
        """The plug-in of this name.

        Raises:
            KeyError: none is installed.
            PluginError: it cannot be used, and why.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name, self._offers[name])
        return self._loaded[name]

    def _load(self, name: str, offers: list[EntryPoint]) -> T:
        point = offers[0]
        if len({each.value for each in offers}) > 1:
            told = " and ".join(sorted(_source(each) for each in offers))
            raise PluginError(f"{self._word} `{name}`", f"offered by {told}: uninstall one of them", _owner(point))
        who, by = f"{self._word} `{name}` ({_source(point)})", _owner(point)
        try:
            made = self._made(point.load())
            wrong = list(self._flaws(name, made))
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(who, f"it cannot be loaded: {_raised(error)}", by) from error
        if wrong:
            raise PluginError(who, "; ".join(wrong), by)
        return made

    def is_foreign(self, name: str) -> bool:
        """Whether somebody else's distribution brings it."""
        return any(_owner(point) != OURS for point in self._offers[name])

    def working(self) -> dict[str, T]:
        """Those that can be used; loads them all."""
        return {name: made for name, made in self.tried().items() if not isinstance(made, PluginError)}

    def tried(self) -> dict[str, T | PluginError]:
        """All of them, or what is wrong with them; loads them all."""
        return {name: self.tried_one(name) for name in self}

    def tried_one(self, name: str) -> T | PluginError:
        """One of them, or what is wrong with it. Raises KeyError if none has this name."""
        try:
            return self[name]
        except PluginError as error:
            return error


def detectors(word: str) -> Plugins[Any]:
    """Installed detectors of one sort, by name.

    Args:
        word: see `GROUPS`.
    """
    wanted = OF_VALUE_DETECTORS if word == "detector on values" else OF_DETECTORS

    def flaws(name: str, found: Any) -> Iterator[str]:
        missing = [each for each in wanted if not hasattr(found, each)]
        if missing:
            yield f"it has no `{'`, `'.join(missing)}`"
        elif found.name != name:
            yield f"it is installed as `{name}` and calls itself `{found.name}`: both must be one name"

    return Plugins(word, lambda found: found, flaws)


def failed(word: str, name: str, kind: type, what: str) -> PluginError:
    """A plug-in that was loaded did something wrong.

    Args:
        word: see `GROUPS`. kind: its class.
    """
    module = f"{kind.__module__}:{kind.__qualname__}"
    point = next((one for one in entry_points(group=GROUPS[word], name=name) if one.value == module), None)
    source = module if point is None else _source(point)
    by = _owner(point) if point is not None else kind.__module__.partition(".")[0]
    return PluginError(f"{word} `{name}` ({source})", what, by)


@contextmanager
def blamed(word: str, name: str, kind: type, method: str) -> Iterator[None]:
    """Call a method of a plug-in.

    Raises:
        PluginError: in place of what the method raises, SystemExit too: no plug-in ends a run with a code of its own.
    """
    try:
        yield
    except (PluginError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise failed(word, name, kind, raised(method, error)) from error


def raised(method: str, error: BaseException) -> str:
    """What a method did, in words."""
    return f"`{method}` raised {_raised(error)}"


def _raised(error: BaseException) -> str:
    text = str(error).partition("\n")[0][:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _source(point: EntryPoint) -> str:
    if point.dist is None:
        return point.value
    return f"{point.value}, {point.dist.name} {point.dist.version}"


def _owner(point: EntryPoint) -> str:
    return "" if point.dist is None else point.dist.name
