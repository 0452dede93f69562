"""Where the embedded broker listens: its ports, which stay its own while it is down."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from twinstorm.broker.sockets import LOOPBACK, bound


@dataclass(frozen=True)
class Door:
    """Where the broker listens, and how much guests may say there.

    Attributes:
        host: an IPv4 address of this machine.
        port: 0: any that is free.
        wide: other machines may connect; they need credentials as everybody does.
        any_topic: guests may use every topic, not only those of the fleet.
        websocket: host and port of a second listener, for MQTT over WebSocket; over TLS if the first one is.

    Raises:
        ValueError: other machines could connect, and nobody has said that they may.
    """

    host: str = LOOPBACK
    port: int = 0
    wide: bool = False
    any_topic: bool = False
    websocket: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        for host in (self.host, *(self.websocket or ())[:1]):
            if not self.wide and not ipaddress.ip_address(host).is_loopback:
                raise ValueError(f"{host} lets other machines in: say `wide=True` if that is meant")


class Ports:
    """The sockets of a door, bound again and again on the same ports.

    Attributes:
        port: where it listens, once sockets were taken.
        websocket_port: likewise, of the second listener; 0 if there is none.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._held: list[socket.socket] = []
        self.port = door.port
        self.websocket_port = 0 if door.websocket is None else door.websocket[1]

    def take(self) -> list[socket.socket]:
        """New sockets: of its first listener, and of the second if it has one. They are the caller's.

        Raises:
            OSError: a port is taken, or may not be.
        """
        self.let_go()
        made = self._bound()
        self.port = made[0].getsockname()[1]
        if len(made) > 1:
            self.websocket_port = made[1].getsockname()[1]
        return made

    def hold(self) -> None:
        """Let nobody else have the ports; without listen() they refuse.

        Raises:
            OSError: a port is taken.
        """
        self._held = self._bound()

    def let_go(self) -> None:
        for each in self._held:
            each.close()
        self._held.clear()

    def _bound(self) -> list[socket.socket]:
        places = [(self.port, self._door.host)]
        if self._door.websocket is not None:
            places.append((self.websocket_port, self._door.websocket[0]))
        made: list[socket.socket] = []
        try:
            made.extend(bound(*place) for place in places)
        except OSError:
            for each in made:
                each.close()
            raise
        return made
