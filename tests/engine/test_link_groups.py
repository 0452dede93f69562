"""Who shares a port of the fault proxy in a live run, and who may be struck by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Refused
from twinstorm.scenarios.engine.link_groups import are_whole_groups, groups_on_bad_links
from twinstorm.scenarios.engine.live_wiring import LiveWiring
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.faults.conduct import SlowBroker
from twinstorm.scenarios.faults.network import Latency, Partition, TrunkSqueeze
from twinstorm.scenarios.faults.security import CertificateExpiry
from twinstorm.scenarios.faults.wire import ReplayedMessage
from twinstorm.scenarios.language.reader import load

SCENARIO = """storm: 1
name: links
story: Links go bad, here and there.
duration: 5 min
fleet:
  devices: 30
  sites: [arn-1, fra-1, fra-2]
  segments: {motors: {kind: motor, share: 100 %}}
steps:
"""
N = 30


def engine_of(folder: Path, steps: str) -> Engine:
    path = folder / "links.storm.yaml"
    path.write_text(SCENARIO + steps, encoding="utf-8")
    scenario = load(str(path))
    return Engine(scenario, 1, ModelledWiring(fleet_plan(scenario), broker_settings(scenario), 1))


def groups(engine: Engine, has_socket: Any = None) -> list[list[str]]:
    socket = np.ones(N, np.bool_) if has_socket is None else has_socket
    return [[engine.registry.names[who] for who in group] for group in groups_on_bad_links(engine, socket)]


def sites(found: list[list[str]]) -> list[list[str]]:
    return sorted(sorted({name.partition("/")[0] for name in group}) for group in found)


def test_a_scenario_without_bad_links_needs_no_proxy(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, "  - {at: 60 s, fault: partition, target: all, lasts: 60 s}\n")
    assert groups(engine) == []


def test_steps_that_overlap_part_the_fleet_into_what_they_have_in_common(tmp_path: Path) -> None:
    engine = engine_of(
        tmp_path,
        "  - {at: 60 s, fault: latency, target: 'site=fra-*', lasts: 60 s}\n"
        "  - {at: 70 s, fault: burst-loss, target: 'site=arn-1,fra-1', lasts: 60 s}\n",
    )
    assert sites(groups(engine)) == [["arn-1"], ["fra-1"], ["fra-2"]]


def test_all_devices_may_be_one_group_and_those_without_a_socket_are_in_none(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, "  - {at: 60 s, fault: latency, target: all, lasts: 60 s}\n")
    assert [len(group) for group in groups(engine)] == [N]
    assert [len(group) for group in groups(engine, np.arange(N) < 7)] == [7]
    assert groups(engine, np.zeros(N, np.bool_)) == []


def test_each_part_of_a_ramp_is_a_group(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, "  - {at: 60 s, fault: latency, target: all, lasts: 60 s, ramp: 30 s}\n")
    found = groups(engine)
    assert len(found) > 1
    assert sorted(name for group in found for name in group) == sorted(engine.registry.names)


def test_whole_groups_are_all_of_them_and_nobody_else() -> None:
    some = [np.array([1, 2, 3]), np.array([5])]
    assert are_whole_groups(some, np.array([1, 2, 3], np.int32))
    assert are_whole_groups(some, np.array([1, 2, 3, 5], np.int32))
    assert not are_whole_groups(some, np.array([1, 2], np.int32))
    assert not are_whole_groups(some, np.array([1, 2, 9], np.int32))
    assert not are_whole_groups([], np.array([1], np.int32))
    assert are_whole_groups([], np.array([], np.int32))


def wiring_of(*, own_broker: bool = True, papers: bool = False, secure: bool = False) -> Any:
    """A live run in which devices 1 and 2 connected through the proxy, and 3 has no socket."""
    return SimpleNamespace(
        _bad_links=[np.array([1, 2])],
        _has_socket=np.array([True, True, True, False]),
        broker=SimpleNamespace(papers=object() if papers else None, is_encrypted=papers or secure),
        has_own_broker=own_broker,
    )


@pytest.mark.parametrize(
    ("fault", "run", "told"),
    [
        (SlowBroker, {"own_broker": False}, "cannot reach into a broker that is not its own, as slow-broker must"),
        (SlowBroker, {}, ""),
        (CertificateExpiry, {}, "with --tls only"),
        (CertificateExpiry, {"papers": True}, ""),
        (ReplayedMessage, {"papers": True}, "over TLS nobody can"),
        (ReplayedMessage, {"own_broker": False, "secure": True}, "over TLS nobody can"),
        (ReplayedMessage, {}, ""),
        (TrunkSqueeze, {}, ""),
    ],
)
def test_by_hand_a_live_run_refuses_what_it_cannot_do(fault: type[Fault], run: dict[str, bool], told: str) -> None:
    nobody = np.zeros(0, np.int32)
    if told:
        with pytest.raises(Refused, match=told):
            LiveWiring.admit(wiring_of(**run), fault, {}, nobody)
    else:
        LiveWiring.admit(wiring_of(**run), fault, {}, nobody)


def test_by_hand_a_live_run_slows_down_only_those_who_connected_through_the_proxy() -> None:
    wiring = wiring_of(own_broker=False)
    LiveWiring.admit(wiring, Latency, {}, np.array([1, 2], np.int32))
    LiveWiring.admit(wiring, Latency, {}, np.array([1, 2, 3], np.int32))
    LiveWiring.admit(wiring, Partition, {"on": "model"}, np.array([0], np.int32))
    with pytest.raises(Refused, match="latency strikes only devices that a step"):
        LiveWiring.admit(wiring, Latency, {}, np.array([0, 1, 2], np.int32))
