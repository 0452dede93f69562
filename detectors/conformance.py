"""What every detector must do, as checks that anybody can run on their own: ``check(MyDetector, registry)``.

The checks are plain functions that raise `AssertionError`; ``tests/detectors/test_conformance.py`` runs them over every
installed detector.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

import numpy as np

from twinstorm.detectors.contract import LONG_AGO_US, Batch, Detector, Patient, Restful
from twinstorm.detectors.lasting import FOR_NOW, Hold, News
from twinstorm.detectors.options import typed
from twinstorm.twin.flow import NEVER_US, SECOND_US, Registry, Values

Check = Callable[[type[Detector], Registry], None]

SECONDS = 240
GROWTH_BYTES = 4_096
"""What a detector's snapshot may grow by after its first seconds, beside a dozen bytes a device."""


def check(kind: type[Detector], registry: Registry) -> None:
    """Run every check. Raises AssertionError with what is wrong."""
    for each in CHECKS.values():
        each(kind, registry)


def made(kind: type[Detector], registry: Registry) -> Detector:
    """A detector with its defaults."""
    return kind(registry, typed(kind.name, kind.options, {}))


def story(devices: int, seconds: int = SECONDS) -> Iterator[Batch]:
    """Calm, then a third of the fleet is gone from second 60 to 120 and comes back rebooted and all at once."""
    every = np.arange(devices)
    gone = every % 3 == 0
    rebooted_us = np.full(devices, LONG_AGO_US, np.int64)
    born_us = np.zeros(devices, np.int64)
    ended_us = np.full(devices, LONG_AGO_US, np.int64)
    last_arrival_us = np.zeros(devices, np.int64)
    rates: list[int] = []
    for second in range(1, seconds + 1):
        now_us = second * SECOND_US
        away = gone if 60 < second <= 120 else np.zeros(devices, np.bool_)
        last_arrival_us = np.where(away, last_arrival_us, now_us - 20_000)
        back = gone & (second == 121)
        born_us = np.where(back, now_us - 500_000, born_us)
        rebooted_us = np.where(back, now_us - 500_000, rebooted_us)
        ended_us = np.where(gone & (second == 61), now_us, ended_us)
        rates = [*rates, devices if 121 <= second <= 130 else 0][-60:]
        columns = (last_arrival_us, ~away, born_us, ended_us, rebooted_us, back)
        attempts = np.array(rates, np.int64)
        session_us = now_us - 500_000 if second in (1, 61, 121) else NEVER_US
        rebooted = now_us - 500_000 if second == 121 else NEVER_US
        news = News(now_us - 20_000, session_us, rebooted, now_us - 20_000, now_us - 500_000 if rates[-1] else NEVER_US)
        batch = Batch(now_us, *columns, attempts=attempts, refused=attempts // 2, queue=0, broker_up=True, news=news)
        for column in arrays(batch).values():
            column.flags.writeable = False
        yield batch


def arrays(batch: Batch) -> Mapping[str, Values]:
    """The columns of a batch."""
    columns = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: column for name, column in columns.items() if isinstance(column, np.ndarray)}


def usable_before_learning(kind: type[Detector], registry: Registry) -> None:
    """Scores of the right shape and type from the first pane on."""
    for batch in story(len(registry), seconds=1):
        score = made(kind, registry).score(batch)
        assert score.shape == (len(registry),), f"{kind.name}: one score a device, not {score.shape}"
        assert score.dtype == np.float32, f"{kind.name}: scores are float32, not {score.dtype}"


def inputs_untouched(kind: type[Detector], registry: Registry) -> None:
    """Neither call changes a batch."""
    detector = made(kind, registry)
    for batch in story(len(registry)):
        before = {name: column.copy() for name, column in arrays(batch).items()}
        detector.score(batch)
        detector.learn(batch)
        for name, column in arrays(batch).items():
            assert np.array_equal(before[name], column), f"{kind.name} wrote into `{name}`"


def scoring_changes_nothing(kind: type[Detector], registry: Registry) -> None:
    """A second look at a batch gives the same scores, and leaves the detector as it was."""
    detector = made(kind, registry)
    for batch in story(len(registry)):
        before = pickle.dumps(detector)
        first, second = detector.score(batch), detector.score(batch)
        assert _equal(first, second), f"{kind.name} scores a batch differently the second time"
        assert pickle.dumps(detector) == before, f"{kind.name} changes while it scores"
        detector.learn(batch)


def repeatable(kind: type[Detector], registry: Registry) -> None:
    """Two detectors that see the same score the same."""
    for first, second in zip(_scores(kind, registry), _scores(kind, registry), strict=True):
        assert _equal(first, second), f"{kind.name} is not repeatable"


def picklable(kind: type[Detector], registry: Registry) -> None:
    """A detector that was saved and restored halfway scores on as if nothing had happened."""
    straight = _scores(kind, registry)
    detector = made(kind, registry)
    for second, (batch, wanted) in enumerate(zip(story(len(registry)), straight, strict=True)):
        if second in (30, 100, 125):
            # Copies by the same protocol; reading pickles back is the business of whoever owns snapshots.
            assert pickle.dumps(detector)
            detector = copy.deepcopy(detector)
        assert _equal(detector.score(batch), wanted), f"{kind.name} forgets part of its state in a snapshot"
        detector.learn(batch)


def bounded_memory(kind: type[Detector], registry: Registry) -> None:
    """State stops growing."""
    detector = made(kind, registry)
    early = 0
    for second, batch in enumerate(story(len(registry))):
        detector.score(batch)
        detector.learn(batch)
        if second == 60:
            early = len(pickle.dumps(detector))
    late = len(pickle.dumps(detector))
    allowed = early + GROWTH_BYTES + 12 * len(registry)
    assert late <= allowed, f"{kind.name} grew from {early:,} to {late:,} bytes in {SECONDS} s"


def calm_is_calm(kind: type[Detector], registry: Registry) -> None:
    """In the calm first minute nobody reaches the limit."""
    detector = made(kind, registry)
    for batch in story(len(registry), seconds=60):
        score = detector.score(batch)
        assert not (score >= detector.policy.threshold).any(), f"{kind.name} sees ghosts at {batch.now_us} us"
        detector.learn(batch)


def rests_truthfully(kind: type[Detector], registry: Registry) -> None:
    """While a detector says that it may rest, no device scores as much as would keep an alarm open."""
    detector = made(kind, registry)
    if not isinstance(detector, Restful):
        return
    hold = Hold()
    for batch in story(len(registry)):
        resting = hold.still(batch.now_us, batch.news)
        if not resting:
            lasting = detector.quiet(batch)
            hold.renew(lasting or FOR_NOW)
            resting = lasting is not None
        if resting:
            scored = (detector.score(batch) >= detector.policy.clear_threshold).any()
            assert not scored, f"{kind.name} rests at {batch.now_us} us while devices score"
        detector.learn(batch)


def passes_by_truthfully(kind: type[Detector], registry: Registry) -> None:
    """To pass panes by at which a detector rests is to learn from each of them."""
    detector, lazy = made(kind, registry), made(kind, registry)
    if not isinstance(lazy, Patient):
        return
    hold, passed = Hold(), 0
    for batch in story(len(registry)):
        detector.learn(batch)
        if hold.still(batch.now_us, batch.news) and batch.news.broker_us > batch.now_us:
            passed += 1
            continue
        lazy.pass_by(passed)
        passed = 0
        hold.renew(lazy.quiet(batch) or FOR_NOW)
        lazy.learn(batch)
        assert pickle.dumps(lazy) == pickle.dumps(detector), f"{kind.name} passed by what it should have learnt"


def _scores(kind: type[Detector], registry: Registry) -> list[Values]:
    detector = made(kind, registry)
    scores = []
    for batch in story(len(registry)):
        scores.append(detector.score(batch).copy())
        detector.learn(batch)
    return scores


def _equal(some: Values, others: Values) -> bool:
    return np.array_equal(some, others, equal_nan=True)


CHECKS: Mapping[str, Check] = {
    each.__name__: each
    for each in (
        usable_before_learning,
        inputs_untouched,
        scoring_changes_nothing,
        repeatable,
        picklable,
        bounded_memory,
        calm_is_calm,
        rests_truthfully,
        passes_by_truthfully,
    )
}
