"""A whole live run over TLS: certificates for everybody, a guest who is asked in, and nothing left of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.raw_mqtt import RawClient
from tests.live.test_live_storm import storm
from twinstorm.broker.tls import ClientTls, client_context
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load

__all__ = ["storm"]


def test_a_broker_outage_over_tls_is_survived_and_no_key_is_left(
    storm: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(keys))
    told: list[str] = []
    scenario = load(str(storm(fault="broker-outage", target="")), ())
    run = Run(scenario, RunOptions(seed=5, live=True, speed=3.0, tls=True, hold_open=True, invite=told.append))
    try:
        result = run.execute()
        assert result.verdict == "held"
        assert result.faults[0].bit
        assert "unexplained" not in result.ledger.lost
        assert any("over TLS" in note for note in result.notes)
        assert run.holds
        words = shlex.split(told[0])
        said = dict(zip(words[1::2], words[2::2], strict=False))
        assert not {"-u", "-P"} & said.keys()
        tls = client_context(ClientTls(Path(said["--cafile"]), Path(said["--cert"]), Path(said["--key"])))
        guest = RawClient(int(said["-p"]), tls=tls)
        guest.send_connect("somebody", None, None)
        assert guest.connack() == 0
        assert guest.subscribe(said["-t"]) == 1
        guest.close()
    finally:
        run.close()
    assert list(keys.iterdir()) == []
