"""Constants of the modelled broker, measured on real ones; they are printed with every run.

Measured by `twinstorm calibrate` on 2 cores, Python 3.11; `docs/performance.md` has the figures with their spread.
Message capacity is a limit of its own that a scenario sets (`broker.messages`); no model imposes it, so that a storm of
connects can be looked at alone. A scenario may bring a constant of its own (`broker.handshake`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BrokerModel:
    """What a kind of broker costs.

    Attributes:
        handshake_ns: one CONNECT on the accepting worker: the inverse of the measured connect rate.
        backlog: places of the listen queue.
    """

    name: str
    summary: str
    handshake_ns: int
    backlog: int


MODELS = {
    model.name: model
    for model in (
        BrokerModel("amqtt", "the embedded broker: 930 connects/s plain", 1_075_269, 1_024),
        BrokerModel("mosquitto", "Mosquitto 2.0.11: 27,000 connects/s plain", 37_037, 1_024),
        BrokerModel("amqtt-tls", "the embedded broker over mutual TLS: 430 connects/s", 2_325_581, 1_024),
        BrokerModel("mosquitto-tls", "Mosquitto 2.0.11 over mutual TLS: 590 connects/s", 1_694_915, 1_024),
        BrokerModel("ideal", "no limit of its own: what remains is the scenario's", 1, 1 << 30),
    )
}
