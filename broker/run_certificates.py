"""Certificates of one run: made when it begins, gone when it ends.

The authority's own key is never written. The others must lie in files, for that is where Python's `ssl` wants them: in
a folder that only we may enter, each with its certificate in one file that only we may read.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from twinstorm.broker.certificates import Signer
from twinstorm.broker.identity import Role
from twinstorm.broker.private_files import PUBLIC, write_private
from twinstorm.broker.tls import ClientTls, ServerTls

LASTS = timedelta(days=30)
"""Longer than any live run."""


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
        try:
            signer = Signer.create("twinstorm run", now, LASTS)
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

    def close(self) -> None:
        """Delete all of it; a second call does nothing."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _client(self, signer: Signer, file: str, name: str, role: Role, now: datetime) -> ClientTls:
        pair = self._pair(signer, file, name, role, now)
        return ClientTls(self._ca, pair, pair)

    def _pair(self, signer: Signer, file: str, name: str, role: Role, now: datetime) -> Path:
        credential = signer.certify(name, role, now, LASTS)
        return self._write(f"{file}.pem", credential.certificate + credential.key)

    def _write(self, name: str, data: bytes, mode: int = 0o600) -> Path:
        write_private(self._folder / name, data, mode, lasting=False)
        return self._folder / name
