"""What a scenario lets devices say: what it costs on their links, what faults make of it, and that it runs again."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.test_payload_faults import Bench, play, sent_meanwhile
from tests.twin.worlds import plan
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.faults.payloads import Misrouted, PayloadCorruption, PayloadTruncation, SchemaBreak
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.damage import BREAKS
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.wire.profile import CODEC_NAMES
from twinstorm.twin.wire.spec import Flat, Spec, Template
from twinstorm.twin.wire.wires import Wire

FLAT = Spec("plant", Template("plant/{site}/{device}/telemetry"), Template("plant/{site}/{device}/state"), Flat())
WIRES = {
    f"{codec}-{name}": Wire(codec, spec) for codec in CODEC_NAMES for name, spec in (("nested", None), ("flat", FLAT))
}
each_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)


def fleet(wire: Wire) -> object:
    return plan(motors=30, climate=10, buffer=200, wire=wire)


@each_wire
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_schema_is_refused_in_every_language(wire: Wire, how: str) -> None:
    bench = play(SchemaBreak, {"how": how}, to_s=20, end_s=25, fleet=fleet(wire))
    sent = sent_meanwhile(bench, 20)
    assert bench.ledger().lost == {"dead_letter": sent}
    assert bench.evidence() == {"messages_of_another_schema": sent}


@each_wire
def test_noise_is_refused_or_believed_in_every_language_and_never_forges_a_number(wire: Wire) -> None:
    bench = play(PayloadCorruption, {"share": "100 %", "bits": "1"}, to_s=60, end_s=65, fleet=fleet(wire))
    damaged, readable = (bench.evidence()[name] for name in ("messages_damaged", "damaged_and_still_readable"))
    assert damaged == sent_meanwhile(bench, 60)
    assert bench.ledger().lost["corrupt"] == damaged - readable > 0
    assert bench.ledger().repeated == 0
    assert (bench.ingest.seen.current.newest <= bench.world.fleet.seq).all()


@each_wire
def test_what_is_cut_off_or_astray_is_lost_in_every_language(wire: Wire) -> None:
    short = play(PayloadTruncation, {"keep": "20 B"}, to_s=20, end_s=25, fleet=fleet(wire))
    assert short.ledger().lost == {"corrupt": sent_meanwhile(short, 20)}
    for to in ("device", "site"):
        astray = play(Misrouted, {"to": to}, to_s=20, end_s=25, fleet=fleet(wire))
        lost = astray.ledger().lost
        # A flat document names nobody: what arrives under the name of another of its kind is believed to be its.
        assert sum(lost.values()) + astray.ledger().repeated <= sent_meanwhile(astray, 20)
        if wire.spec is None:
            assert lost == {"dead_letter": sent_meanwhile(astray, 20)}
    nowhere = play(Misrouted, {"to": "nowhere"}, to_s=20, end_s=25, fleet=fleet(wire))
    assert nowhere.ledger().lost == {"corrupt": sent_meanwhile(nowhere, 20)}


SCENARIO = """storm: 1
name: random
story: Slow links.
duration: 10 min
fleet:
  devices: 40
  sites: [oslo, bergen]
  link: {link}
  {words}
  segments:
    a: {{kind: environment, share: 100 %, every: 5 s, power: {{battery: 20 Wh}}}}
steps:
  - {{name: outage, at: 2 min, fault: power-outage, target: site=oslo, lasts: 1 min}}
expect:
  - {{ledger: lost, at_most: 100 %}}
"""


def engine(link: str, words: str, behind: bool = False) -> Engine:
    """`behind`: gateways, which are on ethernet."""
    text = SCENARIO.format(link=link, words=words)
    if behind:
        text = text.replace("share: 100 %", "share: 95 %, through: gates").replace(
            "  segments:\n", "  segments:\n    gates: {kind: gateway, share: 5 %, link: ethernet, codec: json}\n"
        )
    written = read(text, "random.storm.yaml")
    made = Engine(written, 3, ModelledWiring(fleet_plan(written), broker_settings(written), seed=3))
    made.play()
    assert made.ledger().difference == 0
    return made


def energy_j(made: Engine) -> float:
    assert isinstance(made.wiring, ModelledWiring)
    energy = made.wiring.world.energy
    assert energy is not None
    energy.settle(np.arange(len(energy.device)), made.now_us)
    return energy.spent_nj["messages"] / 1e9


def test_a_shorter_codec_costs_less_air_and_less_energy() -> None:
    spent = {codec: energy_j(engine("nb-iot", f"codec: {codec}")) for codec in CODEC_NAMES}
    assert spent["msgpack"] < spent["cbor"] < spent["json"]
    assert energy_j(engine("nb-iot", "clock: {sync: 1 h}")) == pytest.approx(spent["json"], rel=0.05)


SHORT = (
    "wire: {wire: 1, name: p, topics: {telemetry: 'p/{site}/{device}/t', state: 'p/{site}/{device}/s'}, "
    "documents: flat, reading: {t: time_s, b: boot, n: seq}, channels: {temperature_c: te, humidity_pct: hu, "
    "pressure_hpa: pr, light_lux: li, battery_pct: ba}}"
)
"""Names of fields as short as they get."""


@pytest.mark.parametrize(("codec", "fits"), [("json", False), ("msgpack", True)])
def test_what_a_link_cannot_carry_is_lost_by_its_true_length(codec: str, fits: bool) -> None:
    ledger = engine("zigbee", f"{SHORT}\n  codec: {codec}", behind=True).ledger()
    assert (ledger.delivered > 0.8 * ledger.produced) == fits
    if not fits:
        assert ledger.lost["qos0"] > 0.8 * ledger.produced


def test_a_chosen_wire_runs_again_and_whole_blocks_change_nothing() -> None:
    wire = Wire("msgpack", FLAT)
    benches = [Bench(fleet(wire), block=block) for block in (16_384, 3)]
    for bench in benches:
        bench.until(30 * SECOND_US)
    assert benches[0].wiring.log.digest() == benches[1].wiring.log.digest()


def test_with_one_codec_for_all_nothing_but_lengths_changes() -> None:
    """On a link without a length that matters the choice is not seen."""
    digests = {engine("ethernet", words).wiring.log.digest() for words in ("codec: cbor", "codec: json", "qos: 1")}
    assert len(digests) == 1
