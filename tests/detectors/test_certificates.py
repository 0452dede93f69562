"""Certificates that end soon: by the registry, told once, of whoever has them in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import Lab, registry_of
from twinstorm.detectors.certificates import ExpiringCertificates
from twinstorm.detectors.conformance import CHECKS, made, story
from twinstorm.detectors.contract import build
from twinstorm.detectors.grouping import LONE
from twinstorm.twin.flow import DAY_US, NEVER_US, SECOND_US, Registry, Severity

PLAIN = registry_of()
N = len(PLAIN)
WITHIN_US = 30 * DAY_US


def dated(expires_us: Any, batch: Any = None) -> Registry:
    dates = np.broadcast_to(np.array(expires_us, np.int64), N).copy()
    if batch is None:
        return replace(PLAIN, certificate_expires_us=dates)
    names = ("none", "autumn", "spring")
    return replace(
        PLAIN, certificate_expires_us=dates, certificate_batch=np.array(batch, np.uint8), certificate_batches=names
    )


def score_at(second: int, expires_us: Any) -> list[float]:
    detector = made(ExpiringCertificates, dated(expires_us))
    *_, batch = story(N, seconds=second)
    return [float(each) for each in detector.score(batch)]


def test_a_score_is_how_close_the_end_is() -> None:
    now_us = 10 * SECOND_US
    scores = score_at(10, np.where(np.arange(N) < 5, now_us + WITHIN_US // 2, NEVER_US))
    assert scores[:5] == [2.0] * 5
    assert scores[5:] == [0.0] * (N - 5)
    assert score_at(10, now_us + WITHIN_US)[0] == 1.0
    assert score_at(10, now_us + 10 * WITHIN_US)[0] == pytest.approx(0.1)
    assert score_at(10, SECOND_US)[0] == 720.0, "what has ended scores as in its last hour"


@pytest.mark.parametrize("within_s", [1, 60, 30 * 60, 60 * 60])
def test_within_less_than_an_hour_counts_as_well(within_s: int) -> None:
    detector = ExpiringCertificates(dated(10 * SECOND_US), {"within": within_s * SECOND_US})
    *_, batch = story(N, seconds=10)
    assert (detector.score(batch) >= 1).all()


@given(st.lists(st.integers(1, 80 * DAY_US), min_size=N, max_size=N), st.integers(1, 90 * DAY_US))
def test_it_rests_until_the_first_reaches_its_limit_and_no_longer(expires_us: list[int], now_us: int) -> None:
    detector = ExpiringCertificates(dated(expires_us), {"within": WITHIN_US})
    (batch,) = story(N, seconds=1)
    batch = replace(batch, now_us=now_us)
    lasting = detector.quiet(batch)
    scored = bool((detector.score(batch) >= 1).any())
    assert (
        scored == (min(expires_us) - now_us <= WITHIN_US) or abs(min(expires_us) - now_us - WITHIN_US) < 3 * SECOND_US
    )
    if lasting is None:
        assert min(expires_us) - now_us <= WITHIN_US + 3 * SECOND_US
    else:
        assert not scored
        assert lasting.until_us <= min(expires_us) - WITHIN_US
        last = replace(batch, now_us=lasting.until_us - 1)
        assert not (detector.score(last) >= 1).any()


@pytest.mark.parametrize("rule", sorted(CHECKS))
def test_it_keeps_the_contract_in_a_fleet_that_has_dates(rule: str) -> None:
    CHECKS[rule](ExpiringCertificates, dated(DAY_US * np.arange(31, 31 + N)))


def test_it_looks_unasked_only_where_somebody_says_when_certificates_end() -> None:
    assert "expiring-certificates" not in [each.name for each in build(PLAIN, None)]
    assert "expiring-certificates" in [each.name for each in build(dated(NEVER_US), None)]
    assert [each.name for each in build(PLAIN, {"expiring-certificates": {}})] == ["expiring-certificates"]


def lab(registry: Registry, *others: str, **settings: str) -> Lab:
    wanted: dict[str, Any] = {"expiring-certificates": settings, **{name: {} for name in others}}
    return Lab.start(registry, **wanted)


def told(of: Lab) -> list[tuple[str, int]]:
    return [(alarm.group, len(alarm.device)) for alarm in of.core.alarms]


def test_the_batch_is_named_even_where_a_segment_or_a_site_is_the_same() -> None:
    motors = np.flatnonzero(PLAIN.segment == 0)
    batch = np.where(PLAIN.segment == 0, 2, 1)
    room = lab(dated(np.where(batch == 2, 20 * DAY_US, 700 * DAY_US), batch))
    room.play(5)
    assert told(room) == [("certificate_batch=spring", len(motors))]
    (alarm,) = room.core.alarms
    assert alarm.severity == Severity.TICKET
    assert alarm.cause.startswith("certificate_batch=spring (lift ")
    assert alarm.says == "the first ends 20.0 d after the start"
    (incident,) = room.core.incidents
    assert incident.title == f"{len(motors)} devices have certificates that end soon, certificate_batch=spring"


def test_a_batch_that_is_the_whole_fleet_is_named_too() -> None:
    room = lab(dated(20 * DAY_US, np.full(N, 2)))
    room.play(2)
    assert told(room) == [("certificate_batch=spring", N)]


def test_devices_of_no_batch_share_a_site_or_nothing() -> None:
    there = PLAIN.site == 1
    room = lab(dated(np.where(there, 20 * DAY_US, 700 * DAY_US)))
    room.play(2)
    assert told(room) == [("site=fra-1", int(there.sum()))]
    few = lab(dated(np.where(np.isin(np.arange(N), [0, 9, 30]), 20 * DAY_US, 700 * DAY_US)))
    few.play(3)
    assert told(few) == [(LONE, 3)]


def test_within_says_how_early() -> None:
    assert told(played(within="2 w")) == []
    assert told(played(within="3 w")) == [("certificate_batch=spring", 20)]
    with pytest.raises(ValueError, match="setting `within` is at least 1 s"):
        build(PLAIN, {"expiring-certificates": {"within": "0 s"}})


def played(**settings: str) -> Lab:
    mine = np.arange(N) < 20
    room = lab(dated(np.where(mine, 20 * DAY_US, 700 * DAY_US), np.where(mine, 2, 1)), **settings)
    room.play(3)
    return room


def test_a_ticket_explains_nothing_that_befalls_its_devices() -> None:
    registry = dated(np.where(np.arange(N) < 20, 20 * DAY_US, 700 * DAY_US), np.where(np.arange(N) < 20, 2, 1))
    room = lab(registry, "silence")
    room.play(20)
    room.power_off(np.arange(20))
    room.play(40)
    assert [alarm.name for alarm in room.core.alarms] == ["expiring-certificates", "silence"]
    silence = room.core.alarms[1]
    assert silence.incident == 2
    assert silence.suppressed == ""
    assert room.core.alarms[0].resolved_us is None


def test_a_ticket_joins_no_incident_that_is_open() -> None:
    mine = np.arange(N) < 20
    registry = dated(np.where(mine, WITHIN_US + 60 * SECOND_US, 700 * DAY_US), np.where(mine, 2, 1))
    room = lab(registry, "silence")
    room.play(10)
    room.power_off(np.arange(20))
    room.play(60)
    assert [(alarm.name, alarm.incident) for alarm in room.core.alarms] == [
        ("silence", 1),
        ("expiring-certificates", 2),
    ]


def test_renewed_certificates_clear_the_ticket_at_once() -> None:
    room = played()
    room.core.certified(np.arange(20, dtype=np.int32))
    room.play(1)
    (alarm,) = room.core.alarms
    assert alarm.resolved_us == 4 * SECOND_US
    assert room.core.incidents[0].state == "resolved"
    room.play(5)
    assert len(room.core.alarms) == 1


@given(st.lists(st.integers(1, 80 * DAY_US), min_size=N, max_size=N), st.integers(1, 90 * DAY_US))
def test_who_is_affected_stays_so_for_as_long_as_it_says(expires_us: list[int], now_us: int) -> None:
    detector = ExpiringCertificates(dated(expires_us), {"within": WITHIN_US})
    (batch,) = story(N, seconds=1)
    batch = replace(batch, now_us=now_us)
    lasting = detector.settled(batch)
    if lasting is None:
        return
    last = replace(batch, now_us=min(lasting.until_us - 1, 100 * DAY_US))
    assert ((detector.score(batch) >= 1) == (detector.score(last) >= 1)).all()
