"""Constants of the modelled broker, measured on real ones; they are printed with every run.

Measured on 2 cores, Python 3.11, with 256-byte messages and one wildcard subscriber. Message capacity is a limit of its
own that a scenario sets (`broker.messages`); no model imposes it, so that a storm of connects can be looked at alone.
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
        BrokerModel("ideal", "no limit of its own: what remains is the scenario's", 1, 1 << 30),
    )
}
