"""Certificates of one run: made when it begins, gone when it ends.

The authority's own key is never written. The others must lie in files, for that is where Python's `ssl` wants them: in
a folder that only we may enter, each with its certificate in one file that only we may read.

Faults change what lies there while the run goes on: a device finds a certificate in its file that has ended, or the
broker a list on which it stands; and when that is over, a new certificate.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from twinstorm.broker.certificates import Signer
from twinstorm.broker.identity import Role
from twinstorm.broker.private_files import PUBLIC, replace_whole, write_private
from twinstorm.broker.tls import ClientTls, ServerTls

LASTS = timedelta(days=30)
"""Longer than any live run."""
LONG_AGO, A_DAY = timedelta(days=7), timedelta(days=1)
"""When a certificate began that has ended, and how long it held."""


class RunCertificates:
    """What a run's broker, core, devices and guests need to believe each other.

    Args:
        devices: those that have a client of their own.
        now: when the run begins.

    Attributes:
        server, core, guest: of the broker, the core, and clients that are asked in.
        devices: one a device, by name.

    Raises:
        OSError: they cannot be written; nothing is left.
    """

    def __init__(self, devices: Sequence[str], now: datetime) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="twinstorm-tls-"))  # for its owner alone
        self._now = now
        self._serial: dict[str, int] = {}
        """Of the certificate that each device has."""
        self._called_back: dict[int, datetime] = {}
        self._lists = 1
        self._expired: frozenset[str] = frozenset()
        self._revoked: frozenset[str] = frozenset()
        try:
            self._signer = signer = Signer.create("twinstorm run", now, LASTS)
            began = now.replace(microsecond=0)
            self._ca = self._write("ca.pem", signer.certificate_pem, PUBLIC)
            crl = self._write("crl.pem", signer.revocation_list({}, 1, began, signer.valid_until), PUBLIC)
            server = self._pair(signer, "server", "broker", Role.SERVER, now)
            self.server = ServerTls(server, server, self._ca, crl)
            self.core = self._client(signer, "core", "core", Role.CORE, now)
            self.guest = self._client(signer, "guest", "guest", Role.GUEST, now)
            self.devices = {
                name: self._client(signer, f"device-{number}", name, Role.DEVICE, now)
                for number, name in enumerate(devices)
            }
        except BaseException:
            self.close()
            raise

    def follow(self, expired: Set[str], revoked: Set[str]) -> bool:
        """Let the certificates of these devices, and of no others, have ended or be called back.

        Who is named no more gets a new one: what was called back stays so.

        Returns:
            Whether `server` is another one from now on, by which the next handshakes must go.

        Raises:
            OSError: it cannot be written.
        """
        mine = self.devices.keys()
        ends, goes = frozenset(expired & mine), frozenset(revoked & mine)
        renewed = (self._expired - ends) | (self._revoked - goes - ends)
        for name in sorted(renewed):
            self._renew(name, self._now, LASTS)
        for name in sorted(ends - self._expired):
            self._renew(name, self._now - LONG_AGO, A_DAY)
        fresh = sorted((goes - self._revoked) | (goes & renewed))
        self._expired, self._revoked = ends, goes
        if not fresh:
            return False
        self._called_back |= dict.fromkeys((self._serial[name] for name in fresh), self._now)
        self._lists += 1
        began = self._now.replace(microsecond=0)
        crl = self._signer.revocation_list(self._called_back, self._lists, began, self._signer.valid_until)
        self.server = replace(self.server, crl=self._write(f"crl-{self._lists}.pem", crl, PUBLIC))
        return True

    def _renew(self, name: str, now: datetime, lasts: timedelta) -> None:
        """Put another certificate into the file of a device."""
        credential = self._signer.certify(name, Role.DEVICE, now, lasts)
        self._serial[name] = credential.serial
        path = self.devices[name].certificate
        assert path is not None
        replace_whole(path, credential.certificate + credential.key, lasting=False)

    def close(self) -> None:
        """Delete all of it; a second call does nothing."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _client(self, signer: Signer, file: str, name: str, role: Role, now: datetime) -> ClientTls:
        pair = self._pair(signer, file, name, role, now)
        return ClientTls(self._ca, pair, pair)

    def _pair(self, signer: Signer, file: str, name: str, role: Role, now: datetime) -> Path:
        credential = signer.certify(name, role, now, LASTS)
        if role is Role.DEVICE:
            self._serial[name] = credential.serial
        return self._write(f"{file}.pem", credential.certificate + credential.key)

    def _write(self, name: str, data: bytes, mode: int = 0o600) -> Path:
        write_private(self._folder / name, data, mode, lasting=False)
        return self._folder / name
