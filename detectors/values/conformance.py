"""What every detector on values must do, as checks that anybody can run on their own: ``check(MyDetector)``.

The checks are plain functions that raise `AssertionError`; ``tests/detectors/values/test_conformance.py`` runs them
over every installed detector.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from twinstorm.detectors.values.contract import Comparing, Finest, Peers, Reals, Sample, ValueDetector, defaults
from twinstorm.twin.flow import SECOND_US

Check = Callable[[type[ValueDetector]], None]

SERIES = 6
VALUES = 700
EVERY_US = 300 * SECOND_US
DAY = 288
"""Values of a day."""
GROWTH_BYTES = 512


def check(kind: type[ValueDetector]) -> None:
    """Run every check. Raises AssertionError with what is wrong."""
    for each in CHECKS.values():
        each(kind)


def made(kind: type[ValueDetector], series: int = SERIES) -> ValueDetector:
    """A detector with its defaults."""
    return kind(series, defaults(kind.options, f"detector `{kind.name}`"))


def story(series: int = SERIES, values: int = VALUES) -> Iterator[Sample]:
    """Values of unlike series, one in five minutes: waves with noise of a few levels, one that is silent now and then,
    one that stands still, one that jumps near the end. Arrays are read-only."""
    every = np.arange(series)
    for number in range(values):
        # A whole number scrambled: noise without a generator, the same for every series number everywhere.
        mixed = ((number * series + every + 1) * 2_654_435_761) % 4_294_967_296
        noise = ((mixed ^ (mixed >> 13)) * 2_246_822_519 % 4_294_967_296) / 4_294_967_296 - 0.5
        phase = number % DAY / DAY
        wave = 16.0 * phase * (1.0 - phase)
        value = 10.0 * every + wave + np.round(noise * 8.0) / 8.0
        value[every % 6 == 2] = 5.0
        value[(every % 6 == 3) & (number > values - 100)] += 40.0
        value[(every % 6 == 1) & (number % 7 == 3)] = np.nan
        at_us = np.full(series, number * EVERY_US, np.int64)
        for column in (value, at_us):
            column.flags.writeable = False
        yield Sample(at_us, value)


def shaped(kind: type[ValueDetector]) -> None:
    """Scores are float64, one a value, at least 0, never infinite, and missing where the value is."""
    detector = made(kind)
    for sample in story():
        score = detector.score(sample)
        assert score.shape == sample.values.shape, f"{kind.name}: one score a value, not {score.shape}"
        assert score.dtype == np.float64, f"{kind.name}: scores are float64, not {score.dtype}"
        assert np.isnan(score[np.isnan(sample.values)]).all(), f"{kind.name} scores a value that is missing"
        known = score[~np.isnan(score)]
        assert (known >= 0).all(), f"{kind.name} scores under 0"
        assert np.isfinite(known).all(), f"{kind.name} scores infinity"
        detector.learn(sample)


def speaks(kind: type[ValueDetector]) -> None:
    """It says something of every series in the end."""
    assert not np.isnan(_scores(kind)[-200:]).all(axis=0).any(), f"{kind.name} never scores some series"


def scoring_changes_nothing(kind: type[ValueDetector]) -> None:
    """A second look at a sample gives the same scores, and leaves the detector as it was."""
    detector = made(kind)
    for number, sample in enumerate(story()):
        if number % 20 == 0:
            before = pickle.dumps(detector)
            first, second = detector.score(sample), detector.score(sample)
            assert np.array_equal(first, second, equal_nan=True), f"{kind.name} scores unlike itself"
            looked, learn = detector.look(sample)
            assert np.array_equal(first, looked, equal_nan=True), f"{kind.name} scores unlike what it sees"
            assert pickle.dumps(detector) == before, f"{kind.name} changes while it scores"
            learn()
        else:
            detector.learn(sample)


def stepping_is_scoring_and_learning(kind: type[ValueDetector]) -> None:
    """`step` is `score` and then `learn`."""
    detector = made(kind)
    for sample, wanted in zip(story(), _scores(kind), strict=True):
        assert np.array_equal(detector.step(sample), wanted, equal_nan=True), f"{kind.name}: `step` differs"


def series_are_apart(kind: type[ValueDetector]) -> None:
    """A series scores the same alone, among others, and when the others are looked at separately; unless it is there
    to be compared with them."""
    if issubclass(kind, Comparing):
        return
    together = _scores(kind)
    alone, parted = made(kind, 1), made(kind)
    middle = 3
    rest = np.array([each for each in range(SERIES) if each != middle])
    for sample, wanted in zip(story(), together, strict=True):
        one = slice(middle, middle + 1)
        score = alone.step(Sample(sample.at_us[one], sample.values[one]))
        assert np.array_equal(score, wanted[one], equal_nan=True), f"{kind.name}: neighbours change a score"
        for which in (one, rest):
            score = parted.step(Sample(sample.at_us[which], sample.values[which], which))
            assert np.array_equal(score, wanted[which], equal_nan=True), f"{kind.name}: parts change a score"


def absent_are_not_asked(kind: type[ValueDetector]) -> None:
    """Whoever has no value in a stretch, and no date (0) either, is as one who is not in the sample: a fleet asks about
    stretches in which a device or two are missing. One that compares is asked about all of a window at a time."""
    if issubclass(kind, Comparing):
        return
    stretch, picked = made(kind), made(kind)
    every = np.arange(SERIES)
    for number, sample in enumerate(story()):
        # Two of the six at most, others each time; the date of whoever is there is its own.
        there = (every * 5 + number) % 7 >= 2
        values, at_us = np.where(there, sample.values, np.nan), np.where(there, sample.at_us, 0)
        which = np.flatnonzero(there)
        score = stretch.step(Sample(at_us, values, slice(0, SERIES)))
        wanted = picked.step(Sample(sample.at_us[which], sample.values[which], which))
        assert np.array_equal(score[which], wanted, equal_nan=True), f"{kind.name}: who is absent changes a score"
        assert np.isnan(score[~there]).all(), f"{kind.name} scores who is absent"


def groups_are_apart(kind: type[ValueDetector]) -> None:
    """Of a detector that compares series: those of one group score the same alone, among other groups, and in any
    order; and there is nothing to be said of one that has nobody to be compared with."""
    if not issubclass(kind, Comparing):
        return
    mixed = np.array([2 * SERIES, *range(2 * SERIES)])
    mixed[3], mixed[9] = mixed[9], mixed[3]
    detector = made(kind, 2 * SERIES + 1)
    assert isinstance(detector, Comparing)
    # Of twelve series every other one is of the story, and one more has no like.
    group = np.where(mixed == 2 * SERIES, 2, mixed % 2)
    detector.among(Peers(group, np.zeros(len(group))))
    for number, (sample, wanted) in enumerate(zip(story(), _scores(kind), strict=True)):
        values = np.full(2 * SERIES + 1, float(number))
        values[group == 0] = sample.values[mixed[group == 0] // 2]
        values[group == 1] = 1e6 + 17.0 * mixed[group == 1] * (number % 5)
        score = detector.step(Sample(np.full(len(values), sample.at_us[0], np.int64), values))
        asked = wanted[mixed[group == 0] // 2]
        assert np.array_equal(score[group == 0], asked, equal_nan=True), f"{kind.name}: strangers change a score"
        assert np.isnan(score[group == 2]).all(), f"{kind.name} compares a series with nobody"


def picklable(kind: type[ValueDetector]) -> None:
    """A detector that was saved and restored halfway scores on as if nothing had happened."""
    detector = made(kind)
    for number, (sample, wanted) in enumerate(zip(story(), _scores(kind), strict=True)):
        if number in (30, 350, VALUES - 90):
            # Copies by the same protocol; reading pickles back is the business of whoever owns snapshots.
            assert pickle.dumps(detector)
            detector = copy.deepcopy(detector)
        assert np.array_equal(detector.step(sample), wanted, equal_nan=True), f"{kind.name} forgets in a snapshot"


def forgets(kind: type[ValueDetector]) -> None:
    """A series that was forgotten is as one that begins; the others go on."""
    detector, fresh = made(kind), made(kind)
    gone = np.array([0, 4])
    kept = np.array([1, 2, 3, 5])
    samples = list(story())
    scores = _scores(kind)
    for sample in samples[: VALUES // 2]:
        detector.step(sample)
    detector.forget(gone)
    for sample, wanted in zip(samples[VALUES // 2 :], scores[VALUES // 2 :], strict=True):
        score = detector.step(sample)
        begun = fresh.step(sample)
        assert np.array_equal(score[kept], wanted[kept], equal_nan=True), f"{kind.name}: others forget as well"
        assert np.array_equal(score[gone], begun[gone], equal_nan=True), f"{kind.name} does not forget everything"


def hears_what_sensors_tell(kind: type[ValueDetector]) -> None:
    """Told what sensors can tell apart, it works on, and forgets a series without forgetting that."""
    detector, fresh = made(kind), made(kind)
    finest = Finest(np.full(SERIES, 0.125))
    detector.tells(finest)
    fresh.tells(finest)
    samples = list(story())
    for sample in samples[: VALUES // 2]:
        score = detector.step(sample)
        assert np.isfinite(score[~np.isnan(score)]).all(), f"{kind.name} scores infinity"
    gone = np.array([0, 4])
    detector.forget(gone)
    assert (finest.step == 0.125).all(), f"{kind.name} changes what it was told"
    for sample in samples[VALUES // 2 :]:
        score, begun = detector.step(sample), fresh.step(sample)
        if not issubclass(kind, Comparing):
            assert np.array_equal(score[gone], begun[gone], equal_nan=True), f"{kind.name} does not forget everything"


def bounded_memory(kind: type[ValueDetector]) -> None:
    """State stops growing; what a library keeps of a series takes no more than the detector says."""
    detector = made(kind)
    early = 0
    for number, sample in enumerate(story()):
        detector.step(sample)
        if number == VALUES // 2:
            early = len(pickle.dumps(detector))
    late = len(pickle.dumps(detector))
    if kind.most_bytes:
        assert late <= _bytes_of_arrays(detector) + SERIES * kind.most_bytes, f"{kind.name} takes {late:,} bytes"
        return
    assert late <= early + GROWTH_BYTES, f"{kind.name} grew from {early:,} to {late:,} bytes"


def _bytes_of_arrays(state: object) -> int:
    """Of those that it holds itself or one object away, with what a pickle says of each."""
    total = 0
    for each in vars(state).values():
        if isinstance(each, np.ndarray):
            total += each.nbytes + GROWTH_BYTES
        elif hasattr(each, "__dict__"):
            total += _bytes_of_arrays(each)
    return total


@cache
def _scores(kind: type[ValueDetector]) -> Reals:
    detector = made(kind)
    scores = []
    for sample in story():
        scores.append(detector.score(sample))
        detector.learn(sample)
    return np.array(scores)


CHECKS: dict[str, Check] = {
    each.__name__: each
    for each in (
        shaped,
        speaks,
        scoring_changes_nothing,
        stepping_is_scoring_and_learning,
        series_are_apart,
        absent_are_not_asked,
        groups_are_apart,
        picklable,
        forgets,
        hears_what_sensors_tell,
        bounded_memory,
    )
}
