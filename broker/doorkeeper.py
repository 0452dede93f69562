"""Who may come to the embedded broker, under which name, and which topics are theirs.

With mutual TLS a certificate stands for user name and password; without, everybody has a password of this run.
"""

from __future__ import annotations

import hmac
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from amqtt.broker import Action
from amqtt.session import Session

from twinstorm.broker.cloud_end import CLIENT_ID
from twinstorm.broker.expiry import Expiries
from twinstorm.broker.identity import Role, parse_identity
from twinstorm.broker.tls import peer_of
from twinstorm.twin.wire.wires import Ear

CORE_USER = "twinstorm-core"
GUEST_USER = "guest"


MOST_GUEST_IDS = 10_000
"""Client ids of guests of which is known whose they are."""


class Doorkeeper:
    """Knows the devices of one run, the core, guests, and those that mean harm.

    Args:
        names: devices; user name and client id of each is its name.
        through: those that have no client of their own, and the gateway that speaks for each.
        asks_for_certificates: nobody has a password.
        any_topic: guests may use every topic, not only those of the fleet.
        ear: what the fleet says on which topics.
        wall_s: Unix seconds, for the end of certificates.

    Attributes:
        names: devices, in their order.
        clients: those with a client of their own.
        intruders: passwords of those that a fault brings, by name.
        is_core_away: the core is not let in; `core_turned_away`: how often it was not.
        revoked: serial numbers that nobody believes any more.
        refusals: handshakes that failed, by reason.
        asks_for_certificates: see there.
    """

    def __init__(
        self,
        names: Sequence[str],
        through: Mapping[str, str],
        ear: Ear,
        wall_s: Callable[[], float],
        *,
        asks_for_certificates: bool,
        any_topic: bool,
    ) -> None:
        self.names, self._through = tuple(names), dict(through)
        self.clients = frozenset(name for name in names if name not in self._through)
        self.intruders: dict[str, str] = {}
        self.is_core_away = False
        self.core_turned_away = 0
        self.revoked: frozenset[str] = frozenset()
        self.refusals: Counter[str] = Counter()
        self.expiries = Expiries(wall_s)
        self.asks_for_certificates, self._any_topic = asks_for_certificates, any_topic
        self._ear, self._roots = ear, frozenset(ear.roots)
        self._passwords: dict[str, str] = {}
        if not asks_for_certificates:
            self._passwords = {name: secrets.token_urlsafe(12) for name in names if name not in self._through}
        self._core_password = secrets.token_urlsafe(16)
        self._guest_password: str | None = None
        self._guest_ids: dict[str, str] = {}
        """Client id to the name in the certificate of the guest who came with it first; the newest `MOST_GUEST_IDS`."""

    @property
    def device_passwords(self) -> tuple[str, ...]:
        """One a device, in their order; made for this run, never logged. Empty: it has none, and is not let in."""
        return tuple(self._passwords.get(name, "") for name in self.names)

    @property
    def core_credentials(self) -> tuple[str, str]:
        return CORE_USER, self._core_password

    def guest_credentials(self) -> tuple[str, str]:
        """User and password for any other client; the first call lets guests in."""
        if self._guest_password is None:
            self._guest_password = secrets.token_urlsafe(12)
        return GUEST_USER, self._guest_password

    def welcome(self, names: Sequence[str]) -> None:
        """Let further devices in; those that are known stay as they are. Without certificates, each gets a password."""
        fresh = [name for name in names if name not in self.clients]
        self.names += tuple(fresh)
        self.clients |= frozenset(fresh)
        if not self.asks_for_certificates:
            self._passwords |= {name: secrets.token_urlsafe(12) for name in fresh}

    def intruder(self) -> tuple[str, str]:
        """Name and password of somebody new who has credentials and means harm."""
        user = f"nowhere/intruder-{len(self.intruders)}"
        self.intruders[user] = secrets.token_urlsafe(12)
        return user, self.intruders[user]

    def authenticate(self, session: Session) -> bool:
        """Whether who connects is who it says, and may come."""
        return (
            self._has_certificate(session) if self.asks_for_certificates else self._has_password(session)
        ) and self._may_be_called(session)

    def _may_be_called(self, session: Session) -> bool:
        """A client id belongs to one identity: else a guest could take a device's session over."""
        user, client_id = session.username, session.client_id
        if user in self.clients:
            return client_id == user
        return client_id not in self.clients and (client_id != CLIENT_ID or user == CORE_USER)

    def _has_certificate(self, session: Session) -> bool:
        """TLS has checked it; from here on who it speaks for is the session's user, and no other name is heard."""
        peer = peer_of(session.ssl_object)
        found = None if peer is None else parse_identity(peer.identity)
        if peer is None or found is None or peer.serial in self.revoked or not self.expiries.holds(peer):
            return False
        self.expiries.remember(session.ssl_object, peer)
        role, name = found
        user = {Role.CORE: CORE_USER, Role.GUEST: GUEST_USER, Role.DEVICE: name}.get(role)
        if user is None or session.username not in (None, "", user):
            return False
        session.username = user
        if role is Role.CORE:
            return self._may_core_come()
        if role is Role.GUEST:
            return self._guest_password is not None and self._is_guests_own(session.client_id or "", name)
        return name in self.clients

    def _is_guests_own(self, client_id: str, name: str) -> bool:
        """Guests choose their client ids, and none may take over the session of another one."""
        if not client_id:
            return True  # the broker makes one up, which nobody else has
        owner = self._guest_ids.setdefault(client_id, name)
        if len(self._guest_ids) > MOST_GUEST_IDS:
            del self._guest_ids[next(iter(self._guest_ids))]
        return owner == name

    def _has_password(self, session: Session) -> bool:
        user, given = session.username or "", (session.password or "").encode()
        if user == CORE_USER:
            wanted: str | None = self._core_password
        elif user == GUEST_USER:
            wanted = self._guest_password
        else:
            wanted = self._passwords.get(user) or self.intruders.get(user)
        is_right = wanted is not None and hmac.compare_digest(wanted.encode(), given)
        return is_right and (user != CORE_USER or self._may_core_come())

    def _may_core_come(self) -> bool:
        self.core_turned_away += self.is_core_away
        return not self.is_core_away

    def may_use(self, session: Session, topic: str, action: Action) -> bool:
        """Whether it may publish there, subscribe, or receive."""
        user = session.username or ""
        if user == GUEST_USER and action == Action.PUBLISH and not self._any_topic and self._ear.address(topic):
            return False  # what it said in the name of a device would be judged as the device's
        if user in (CORE_USER, GUEST_USER):
            return self._any_topic or topic.partition("/")[0] in (*self._roots, "$SYS", "#")
        found = self._ear.address(topic)
        if found is None or not self._ear.is_own(topic):
            return False
        address, _ = found
        if self._through.get(address.name, address.name) != user:
            return False
        return address.up if action == Action.PUBLISH else not address.up
