"""Which runs a command line asks for: scenarios x varied settings x seeds, each with the command that repeats it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from twinstorm.scenarios.language.model import Scenario
from twinstorm.tui.cli.command import UsageError

if TYPE_CHECKING:
    from twinstorm.scenarios.language.errors import Problem, ScenarioErrors

MOST_RUNS = 10_000

_BRACKETS = {"{": "}", "[": "]", "(": ")"}


@dataclass(frozen=True)
class Asked:
    """The part of the command line that says what to run.

    Attributes:
        settings: `--set`, each ``PATH=VALUE``.
        vary: `--vary`, each ``PATH=a,b,c``.
        extra: other options that belong into the repeating command, as written.
    """

    scenarios: Sequence[str]
    seeds: Sequence[int]
    settings: Sequence[str] = ()
    vary: Sequence[str] = ()
    devices: int | None = None
    extra: Sequence[str] = ()


@dataclass(frozen=True)
class Case:
    """One run to be.

    Attributes:
        varied: the varied settings of this run, in the order of `--vary`: ``(path, value)``.
        repeat: the command that repeats exactly this run.
    """

    scenario: Scenario
    seed: int
    varied: tuple[tuple[str, str], ...]
    repeat: str


def read_cases(asked: Asked) -> list[Case]:
    """Read every file before anything runs.

    Raises:
        ScenarioErrors: a file or a setting is wrong; all problems of all files and values at once.
        UsageError: `--vary` is not readable, or varies nothing.
    """
    from twinstorm.scenarios.language.errors import ScenarioErrors
    from twinstorm.scenarios.language.overrides import Setting
    from twinstorm.scenarios.language.reader import load

    grid = [split_vary(text) for text in asked.vary]
    variants = list(product(*([(path, value) for value in values] for path, values in grid)))
    if len(asked.scenarios) * len(variants) * len(asked.seeds) > MOST_RUNS:
        raise UsageError(f"that is more than {MOST_RUNS:,} runs")
    cases: list[Case] = []
    wrong: list[Problem] = []
    left_out = 0
    for name in asked.scenarios:
        found = _Found()
        for varied in variants:
            if not found.may_tell_more(varied):
                continue
            settings = [
                *map(Setting, asked.settings),
                *(Setting(f"{path}={value}", "--vary") for path, value in varied),
            ]
            try:
                scenario = load(name, settings, asked.devices)
            except ScenarioErrors as errors:
                found.add(errors)
                continue
            texts = [setting.text for setting in settings]
            repeats = (_repeat(asked, name, seed, texts) for seed in asked.seeds)
            cases += [Case(scenario, seed, varied, text) for seed, text in zip(asked.seeds, repeats, strict=True)]
        wrong += found.problems
        left_out += found.left_out
    if wrong:
        raise ScenarioErrors(tuple(wrong), left_out)
    for text, (_, values) in zip(asked.vary, grid, strict=True):
        if len(values) < 2:  # Said only now: a wrong path or value is the better news.
            raise _not_varied(text)
    return cases


@dataclass
class _Found:
    """What is wrong with one scenario in any of its variants, each problem once.

    Attributes:
        problems: in the order of the variants.
        left_out: how many more there are, in the variant with the most.
    """

    problems: list[Problem] = field(default_factory=list)
    left_out: int = 0
    _known: set[tuple[object, ...]] = field(default_factory=set)
    _tried: set[tuple[str, str]] = field(default_factory=set)

    def may_tell_more(self, varied: tuple[tuple[str, str], ...]) -> bool:
        """Whether to read this variant. Once something is wrong nothing will run, and only a value that was not tried
        yet is worth the time: a grid of thousands is told in seconds."""
        is_new = not self.problems or not self._tried.issuperset(varied)
        self._tried.update(varied)
        return is_new

    def add(self, errors: ScenarioErrors) -> None:
        self.left_out = max(self.left_out, errors.left_out)
        for problem in errors.problems:
            place = problem.place
            # The same path is wrong in every variant that sets it, each time in another option.
            where = ("",) if place.source.is_option else (place.source.name, place.short)
            told = (problem.code, problem.path, problem.message, *where)
            if told not in self._known:
                self._known.add(told)
                self.problems.append(problem)


def split_vary(text: str) -> tuple[str, list[str]]:
    """``PATH=a,b,c`` as a path and its values; commas inside brackets belong to a value.

    Raises:
        UsageError: no path, no value, or one of them twice.
    """
    path, sign, values = text.partition("=")
    found = [value.strip() for value in _split(values)]
    if not sign or not path.strip() or not all(found):
        raise _not_varied(text)
    if len(set(found)) < len(found):
        raise UsageError(f"--vary {shlex.quote(text)} names a value twice")
    return path.strip(), found


def _not_varied(text: str) -> UsageError:
    return UsageError(
        f"--vary {shlex.quote(text)} is not PATH=a,b,c", "e.g. --vary fleet.reconnect.jitter=none,equal,full"
    )


def _split(values: str) -> Iterable[str]:
    start, closing = 0, ""
    for place, char in enumerate(values):
        if char in _BRACKETS:
            closing = _BRACKETS[char] + closing
        elif closing and char == closing[0]:
            closing = closing[1:]
        elif char == "," and not closing:
            yield values[start:place]
            start = place + 1
    yield values[start:]


def read_seeds(seed: int | None, seeds: str | None) -> list[int]:
    """`--seed N` or `--seeds 1..20` (or ``3,5,8``).

    Raises:
        UsageError: both, or not readable.
    """
    if seeds is None:
        return [1 if seed is None else seed]
    if seed is not None:
        raise UsageError("--seed and --seeds exclude each other")
    found: list[int] = []
    for part in seeds.split(","):
        read = re.fullmatch(r"\s*(\d{1,18})(?:\s*\.\.\s*(\d{1,18}))?\s*", part)
        first, last = (int(read[1]), int(read[2] or read[1])) if read else (1, 0)
        if last < first:
            raise UsageError(
                f"--seeds {shlex.quote(seeds)} is not a range of seeds", "e.g. --seeds 1..20 or --seeds 3,5,8"
            )
        if last - first >= MOST_RUNS:
            raise UsageError(f"that is more than {MOST_RUNS:,} runs")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def _repeat(asked: Asked, name: str, seed: int, settings: Sequence[str]) -> str:
    words = ["twinstorm", "run", name, "--seed", str(seed)]
    for setting in settings:
        words += ["--set", setting]
    if asked.devices is not None:
        words += ["--devices", str(asked.devices)]
    return shlex.join([*words, *asked.extra])
