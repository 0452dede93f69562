"""The modelled pool beside queues whose answers are known, and what must hold whatever happens to it."""

from __future__ import annotations

from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.pool import By, Done, Pool, PoolSettings, Scaling, Step
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Int


def settings(**changes: Any) -> PoolSettings:
    return PoolSettings(**({"partitions": 1, "consumers": 1, "service_us": 100_000} | changes))


class Watched(Pool):
    """Remembers what it was like at the end of each step."""

    def __init__(self, of: PoolSettings) -> None:
        super().__init__(of)
        self.steps: list[Step] = []

    def step(self) -> Done:
        done = super().step()
        assert self.newest is not None
        self.steps.append(self.newest)
        return done


def played(pool: Pool, arrival_us: Int, partition: Int, seconds: int) -> list[Done]:
    parts = []
    for second in range(seconds):
        mine = (arrival_us >= second * SECOND_US) & (arrival_us < (second + 1) * SECOND_US)
        pool.offer(arrival_us[mine], partition[mine])
        parts.append(pool.step())
    return parts


def column(parts: list[Done], name: str) -> Any:
    return np.concatenate([getattr(part, name) for part in parts])


def poisson(per_s: float, seconds: int) -> Int:
    """Arrivals of a Poisson process, the same at each call."""
    chance = np.random.default_rng(20260101)
    gaps_us = chance.exponential(1e6 / per_s, int(per_s * seconds * 1.2))
    arrival_us = np.cumsum(gaps_us).astype(np.int64)
    return arrival_us[arrival_us < seconds * SECOND_US]


# --- queues whose answer is known -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("per_s", "wait_s"), [(8.0, 0.2), (5.0, 0.05)])
def test_m_d_1(per_s: float, wait_s: float) -> None:
    """Pollaczek and Khinchine: Wq = rho / (2 mu (1 - rho)); lambda 8, mu 10: 0.2 s."""
    arrival_us = poisson(per_s, 20_000)
    done = [played_at_once(settings(step_us=20_100 * SECOND_US), arrival_us)]
    waited_s = (column(done, "start_us") - column(done, "arrival_us")).mean() / 1e6
    assert waited_s == pytest.approx(wait_s, rel=0.03)


def played_at_once(of: PoolSettings, arrival_us: Int) -> Done:
    pool = Pool(of)
    pool.offer(arrival_us, np.zeros(len(arrival_us), np.int64))
    return pool.step()


def test_d_d_1_has_no_queue_below_capacity_and_a_line_above_it() -> None:
    """10/s are served. At 8/s nobody waits; at 15/s the lag grows by 5/s, and is gone 100 / (10 - 8) s later."""
    calm_us = np.arange(0, 20 * SECOND_US, 125_000)
    rush_us = np.arange(20 * SECOND_US, 40 * SECOND_US, SECOND_US // 15)[: 15 * 20]
    after_us = np.arange(40 * SECOND_US, 100 * SECOND_US, 125_000)
    arrival_us = np.concatenate([calm_us, rush_us, after_us])
    pool = Watched(settings())
    parts = played(pool, arrival_us, np.zeros(len(arrival_us), np.int64), 110)
    lags = [step.lag for step in pool.steps]
    assert lags[:20] == [0] * 20
    assert lags[39] == pytest.approx(100, abs=1)
    empty = next(second for second in range(40, 110) if lags[second] == 0)
    assert empty == pytest.approx(40 + 50, abs=1)
    assert pool.done == len(arrival_us) == len(column(parts, "row"))
    assert pool.steps[10].busy_share == pytest.approx(0.8)
    assert pool.steps[30].busy_share == pytest.approx(1.0)


@given(
    st.lists(st.integers(0, 5 * SECOND_US), min_size=1, max_size=30),
    st.integers(1, 400_000),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_steps_of_any_length_and_a_plain_queue_give_the_same(
    arrivals: list[int], service_us: int, partitions: int, consumers: int
) -> None:
    """Each consumer alone, by the recurrence of Lindley."""
    arrival_us = np.array(sorted(arrivals))
    partition = np.arange(len(arrival_us)) % partitions
    wanted = {}
    for consumer in range(consumers):
        free_us = 0
        for row in np.flatnonzero(partition % consumers == consumer):
            free_us = max(free_us, int(arrival_us[row])) + service_us
            wanted[int(row)] = free_us
    for step_us in (SECOND_US, 20 * SECOND_US):
        pool = Watched(settings(partitions=partitions, consumers=consumers, service_us=service_us, step_us=step_us))
        found: dict[int, int] = {}
        for step in range(20 * SECOND_US // step_us):
            mine = (arrival_us >= step * step_us) & (arrival_us < (step + 1) * step_us)
            pool.offer(arrival_us[mine], partition[mine])
            done = pool.step()
            found |= dict(zip(done.row.tolist(), done.end_us.tolist(), strict=True))
        assert found == wanted


def test_a_row_that_stands_for_many_takes_as_long_as_they_do() -> None:
    pool = Watched(settings(service_us=1_000))
    pool.offer(np.array([0, 0]), np.array([0, 0]), np.array([1_500, 1_000_000]))
    ends = [pool.step().end_us.tolist() for _ in range(3)]
    assert ends == [[], [1_500_000], []]
    assert pool.done == 1_500
    assert pool.lag == 0
    assert [step.busy_share for step in pool.steps] == [1.0, 1.0, 1.0]


# --- partitions -------------------------------------------------------------------------------------------------------


def test_a_hot_partition_keeps_one_consumer_busy_while_the_others_idle() -> None:
    """20/s, 15 of them to one of four partitions: capacity is 40/s, and the lag grows by 5/s all the same."""
    arrival_us = np.arange(0, 60 * SECOND_US, 50_000)
    partition = np.where(np.arange(len(arrival_us)) % 4 < 3, 0, np.arange(len(arrival_us)) // 4 % 3 + 1)
    pool = Watched(settings(partitions=4, consumers=4))
    played(pool, arrival_us, partition, 60)
    assert pool.lag == pytest.approx(60 * 5, abs=2)
    assert pool.steps[-1].busy_share == pytest.approx((10 + 5) / 40, abs=0.03)


def test_with_too_few_partitions_more_consumers_help_nobody() -> None:
    arrival_us = np.arange(0, 30 * SECOND_US, 25_000)
    partition = np.arange(len(arrival_us)) % 2
    lags = []
    for consumers in (2, 8):
        pool = Watched(settings(partitions=2, consumers=consumers))
        played(pool, arrival_us, partition, 30)
        lags.append(pool.lag)
    assert lags[0] == lags[1] == pytest.approx(30 * 20, abs=4)


# --- scaling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "busy_share", "wanted"), [(2, 1.0, 4), (4, 0.25, 2), (3, 0.54, 3), (3, 0.46, 3), (3, 0.6, 4), (8, 1.0, 10)]
)
def test_scaling_by_cpu_is_the_formula_of_kubernetes(now: int, busy_share: float, wanted: int) -> None:
    """ceil(now * current / desired): double of the target doubles, half of it halves, within a tenth nothing."""
    assert Scaling(By.CPU, target=0.5, most=10).wanted(now, busy_share, 0) == wanted


@pytest.mark.parametrize(("lag", "wanted"), [(0, 1), (99, 1), (100, 1), (101, 2), (950, 10), (5_000, 10)])
def test_scaling_by_lag_is_lag_over_target(lag: int, wanted: int) -> None:
    assert Scaling(By.LAG, target=100, most=10).wanted(3, 0.0, lag) == wanted


def test_a_pool_scales_out_after_the_start_delay_and_never_beyond_its_partitions() -> None:
    arrival_us = np.arange(0, 120 * SECOND_US, 20_000)  # 50/s, one consumer does 10/s
    partition = np.arange(len(arrival_us)) % 8
    scaling = Scaling(By.LAG, target=20, most=100)
    pool = Watched(settings(partitions=8, start_us=30 * SECOND_US, scaling=scaling))
    played(pool, arrival_us, partition, 120)
    active = [step.consumers for step in pool.steps]
    assert active[:30] == [1] * 30
    assert max(active) == 8
    assert pool.steps[0].starting == 0
    assert max(step.starting for step in pool.steps) == 7
    lags = [step.lag for step in pool.steps]
    assert lags[31] == pytest.approx(32 * 40, abs=60)
    assert lags[-1] == 0


@pytest.mark.parametrize("start_us", [0, 500_000, SECOND_US])
def test_who_takes_over_a_backlog_ends_nothing_before_it_was_there(start_us: int) -> None:
    """1,000 messages at once, and consumers that come while they wait: all are told, each when it is over."""
    scaling = Scaling(By.LAG, target=100, most=8)
    pool = Watched(settings(partitions=4, service_us=5_000, start_us=start_us, scaling=scaling))
    parts = []
    for second in range(20):
        count = 1_000 if second == 0 else 0
        pool.offer(np.zeros(count, np.int64), np.arange(count) % 4)
        parts.append(pool.step())
        assert ((parts[-1].end_us > second * SECOND_US) & (parts[-1].end_us <= (second + 1) * SECOND_US)).all()
    assert len(column(parts, "row")) == 1_000
    assert max(step.busy_share for step in pool.steps) <= 1.0


def test_consumers_that_start_are_no_reason_for_more_of_them() -> None:
    """An arrival each 9 ms of 10 ms each, and 70 % wanted: two are enough, and they take half a minute to come."""
    arrival_us = np.arange(0, 60 * SECOND_US, 9_000)
    pool = Watched(
        settings(partitions=16, service_us=10_000, scaling=Scaling(By.CPU, target=0.7), start_us=30 * SECOND_US)
    )
    played(pool, arrival_us, np.arange(len(arrival_us)) % 16, 60)
    assert max(step.consumers + step.starting for step in pool.steps[:30]) == 2
    assert max(step.consumers for step in pool.steps) <= 3


def test_a_pool_scales_in_when_fewer_were_enough_for_long() -> None:
    arrival_us = np.arange(0, 400 * SECOND_US, 200_000)  # 5/s
    pool = Watched(settings(partitions=4, consumers=4, scaling=Scaling(By.CPU, target=0.6)))
    played(pool, arrival_us, np.arange(len(arrival_us)) % 4, 400)
    active = [step.consumers for step in pool.steps]
    first = active.index(1)
    assert active[first - 1] == 4
    assert first == pytest.approx(5 * MINUTE_US / SECOND_US + 1, abs=2)
    assert pool.lag == 0


# --- order and crashes ------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 20 * SECOND_US), st.integers(0, 5)), max_size=30),
    st.lists(st.tuples(st.integers(1, 15), st.integers(0, 2)), max_size=3),
    st.sampled_from([0, 3 * SECOND_US, 10 * SECOND_US]),
    st.sampled_from([By.NONE, By.CPU, By.LAG]),
)
@hypothesis.settings(max_examples=40)
def test_nothing_is_lost_and_partitions_keep_their_order(
    sent: list[tuple[int, int]], crashes: list[tuple[int, int]], checkpoint_us: int, by: By
) -> None:
    arrival_us = np.array(sorted(at_us for at_us, _ in sent), np.int64)
    partition = np.array([partition for _, partition in sent], np.int64)
    pool = Watched(
        settings(
            partitions=6,
            consumers=3,
            service_us=500_000,
            step_us=2 * SECOND_US,
            start_us=2 * SECOND_US,
            checkpoint_us=checkpoint_us,
            scaling=Scaling(by, target=0.5 if by is By.CPU else 3, least=3, down_after_us=4 * SECOND_US),
        )
    )
    parts = []
    for step in range(40):
        for at_step, consumer in crashes:
            if at_step == step:
                pool.crash(consumer)
        mine = (arrival_us >= 2 * step * SECOND_US) & (arrival_us < 2 * (step + 1) * SECOND_US)
        pool.offer(arrival_us[mine], partition[mine])
        parts.append(pool.step())
    row, again = column(parts, "row"), column(parts, "again")
    assert sorted(row[~again].tolist()) == list(range(len(sent)))
    assert np.count_nonzero(again) == pool.replayed
    assert pool.done == len(sent) + pool.replayed
    # Each partition is served one at a time, and for the first time in order.
    for each in range(6):
        mine = column(parts, "partition") == each
        starts_us, ends_us = column(parts, "start_us")[mine], column(parts, "end_us")[mine]
        order = np.argsort(starts_us, kind="stable")
        if not crashes:
            assert (starts_us[order][1:] >= ends_us[order][:-1]).all()
        assert (np.diff(row[mine][~again[mine]]) > 0).all()


@pytest.mark.parametrize(("checkpoint_s", "replayed"), [(0, 0), (1, 0), (10, 75), (60, 375)])
def test_a_crash_serves_again_what_came_since_the_checkpoint(checkpoint_s: int, replayed: int) -> None:
    """10/s and a crash at 37.5 s, or at 37 s: whole steps."""
    arrival_us = np.arange(0, 60 * SECOND_US, 100_000)
    pool = Watched(settings(service_us=1_000, checkpoint_us=checkpoint_s * SECOND_US, step_us=SECOND_US // 2))
    for step in range(75):
        mine = (arrival_us >= step * SECOND_US // 2) & (arrival_us < (step + 1) * SECOND_US // 2)
        pool.offer(arrival_us[mine], np.zeros(np.count_nonzero(mine), np.int64))
        pool.step()
    wanted = replayed if checkpoint_s != 1 else 5
    assert pool.crash(0) == wanted == pool.replayed


def test_while_a_consumer_starts_again_the_others_serve_its_partitions() -> None:
    arrival_us = np.arange(0, 40 * SECOND_US, 100_000)
    pool = Watched(settings(partitions=2, consumers=2, start_us=10 * SECOND_US))
    partition = np.arange(len(arrival_us)) % 2
    for second in range(40):
        if second == 20:
            pool.crash(1)
        mine = (arrival_us >= second * SECOND_US) & (arrival_us < (second + 1) * SECOND_US)
        pool.offer(arrival_us[mine], partition[mine])
        pool.step()
    assert [step.consumers for step in pool.steps] == [2] * 20 + [1] * 10 + [2] * 10
    assert [step.busy_share for step in pool.steps][22:29] == pytest.approx([1.0] * 7, abs=0.01)


# --- room -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sheds", ["newest", "oldest"])
def test_what_finds_no_room_is_shed_at_the_end_of_a_step(sheds: str) -> None:
    """20/s come and 10/s are served: from the sixth second on half of what comes goes, the newest or the oldest."""
    arrival_us = np.arange(0, 20 * SECOND_US, 50_000)
    pool = Watched(settings(room=50, sheds=sheds))
    parts = played(pool, arrival_us, np.zeros(len(arrival_us), np.int64), 60)
    shed, served = column(parts, "shed"), column(parts, "row")
    assert [step.lag for step in pool.steps[:8]] == [10, 20, 30, 40, 50, 50, 50, 50]
    assert pool.shed == len(shed) == 400 - len(served) == 15 * 10
    assert sorted([*shed.tolist(), *served.tolist()]) == list(range(400))
    assert pool.lag == 0
    waits_s = (column(parts, "end_us") - column(parts, "arrival_us")) / 1e6
    # Who lets the oldest go serves what is fresh; the wait is the same line but for what it holds.
    if sheds == "newest":
        assert parts[5].shed.tolist() == list(range(110, 120))
        assert waits_s.max() == pytest.approx(5.5, abs=1.1)
    else:
        assert parts[5].shed.tolist() == list(range(60, 70))
        assert waits_s.max() == pytest.approx(5.0, abs=1.1)


def test_a_row_goes_as_a_whole() -> None:
    pool = Pool(settings(room=25))
    pool.offer(np.zeros(4, np.int64), np.zeros(4, np.int64), np.array([10, 10, 10, 10]))
    done = pool.step()
    assert done.shed.tolist() == [3]
    assert pool.lag == 20


def test_what_is_served_again_is_not_shed() -> None:
    pool = Pool(settings(room=0, service_us=1_000, checkpoint_us=MINUTE_US))
    pool.offer(np.arange(10), np.zeros(10, np.int64))
    assert len(pool.step()) == 10
    assert pool.crash(0) == 10
    assert pool.step().shed.tolist() == []
    assert pool.lag == 10


@pytest.mark.parametrize("checkpoint_s", [0, 3])
def test_every_row_is_settled_once(checkpoint_s: int) -> None:
    arrival_us = np.arange(0, 10 * SECOND_US, 130_000)
    pool = Pool(settings(partitions=3, start_us=2 * SECOND_US, checkpoint_us=checkpoint_s * SECOND_US))
    parts = played(pool, arrival_us, np.arange(len(arrival_us)) % 3, 6)
    pool.crash(0)
    parts += played_on(pool, arrival_us, 6, 30)
    assert sorted(column(parts, "settled").tolist()) == list(range(len(arrival_us)))
    assert (column(parts, "row").size - len(arrival_us)) == pool.replayed


def played_on(pool: Pool, arrival_us: Int, first: int, last: int) -> list[Done]:
    parts = []
    for second in range(first, last):
        mine = (arrival_us >= second * SECOND_US) & (arrival_us < (second + 1) * SECOND_US)
        pool.offer(arrival_us[mine], np.flatnonzero(mine) % 3)
        parts.append(pool.step())
    return parts


def test_what_is_no_pool_is_refused() -> None:
    for wrong in ({"partitions": 0}, {"service_us": 0}, {"start_us": -1}):
        with pytest.raises(ValueError, match=r"at least 1|negative"):
            settings(**wrong)
    with pytest.raises(ValueError, match="at least one consumer"):
        Scaling(By.CPU, least=3, most=2)
    pool = Watched(settings())
    for arrival_us, partition in (([5, 4], [0, 0]), ([SECOND_US], [0]), ([0], [1])):
        with pytest.raises(ValueError, match=r"ascend|partitions"):
            pool.offer(np.array(arrival_us), np.array(partition))
