"""Which runs a command line asks for: scenarios x varied settings x seeds, each with the command that repeats it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from twinstorm.scenarios.language.model import Scenario
from twinstorm.tui.cli.command import UsageError

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
        ScenarioErrors: a file or a setting is wrong; all problems of all files at once.
        UsageError: `--vary` is not readable.
    """
    from twinstorm.scenarios.language.errors import ScenarioErrors
    from twinstorm.scenarios.language.reader import load

    grid = [split_vary(text) for text in asked.vary]
    variants = list(product(*([(path, value) for value in values] for path, values in grid)))
    if len(asked.scenarios) * len(variants) * len(asked.seeds) > MOST_RUNS:
        raise UsageError(f"that is more than {MOST_RUNS:,} runs")
    cases: list[Case] = []
    wrong: list[ScenarioErrors] = []
    for name in asked.scenarios:
        for varied in variants:
            settings = [*asked.settings, *(f"{path}={value}" for path, value in varied)]
            try:
                scenario = load(name, settings, asked.devices)
            except ScenarioErrors as errors:
                wrong.append(errors)
                break  # The other variants would repeat most of it.
            repeats = (_repeat(asked, name, seed, settings) for seed in asked.seeds)
            cases += [Case(scenario, seed, varied, text) for seed, text in zip(asked.seeds, repeats, strict=True)]
    if wrong:
        raise ScenarioErrors(
            tuple(problem for errors in wrong for problem in errors.problems), sum(errors.left_out for errors in wrong)
        )
    return cases


def split_vary(text: str) -> tuple[str, list[str]]:
    """``PATH=a,b,c`` as a path and its values; commas inside brackets belong to a value.

    Raises:
        UsageError: no path, or fewer than two values.
    """
    path, sign, values = text.partition("=")
    found = [value.strip() for value in _split(values)]
    if not sign or not path.strip() or len(found) < 2 or not all(found):
        raise UsageError(
            f"--vary {shlex.quote(text)} is not PATH=a,b,c", "e.g. --vary fleet.reconnect.jitter=none,equal,full"
        )
    if len(set(found)) < len(found):
        raise UsageError(f"--vary {shlex.quote(text)} names a value twice")
    return path.strip(), found


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
