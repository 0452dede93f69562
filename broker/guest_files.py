"""How other clients get in: name and password in files that only their owner may read, and a command that reads them.

Whatever stands on a command line everybody on the machine can see, and what stands on a screen whoever looks. So the
command names a folder: the clients of Mosquitto read their options from `mosquitto_sub` and `mosquitto_pub` in it.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from twinstorm.broker.private_files import write_private

CREDENTIALS = "credentials"


class GuestFiles:
    """A folder for one guest, gone with `close`.

    Attributes:
        credentials: one line, name and password, as in the file of `twinstorm broker`.

    Raises:
        OSError: it cannot be written; nothing is left.
    """

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="twinstorm-guest-"))  # for its owner alone
        self.credentials = self._folder / CREDENTIALS
        options = f"-h {host}\n-p {port}\n-u {user}\n-P {password}\n".encode()
        try:
            write_private(self.credentials, f"{user} {password}\n".encode(), lasting=False)
            for program in ("mosquitto_sub", "mosquitto_pub"):
                write_private(self._folder / program, options, lasting=False)
        except BaseException:
            self.close()
            raise

    def command(self, topic: str) -> str:
        """For a shell; host, port, name and password come from the folder."""
        return f"XDG_CONFIG_HOME={shlex.quote(str(self._folder))} mosquitto_sub -t {shlex.quote(topic)}"

    def close(self) -> None:
        """Delete all of it; a second call does nothing."""
        shutil.rmtree(self._folder, ignore_errors=True)


class DeviceFiles:
    """What real devices get in with, in a folder that is gone with `close`.

    Args:
        given: name to what it shows, a password or the path of a certificate.

    Attributes:
        path: of the file: a line a device, its name and what it shows.

    Raises:
        OSError: it cannot be written; nothing is left.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="twinstorm-devices-"))  # for its owner alone
        self.path = self._folder / CREDENTIALS
        lines = "".join(f"{name} {shown}\n" for name, shown in given.items())
        try:
            write_private(self.path, lines.encode(), lasting=False)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Delete all of it; a second call does nothing."""
        shutil.rmtree(self._folder, ignore_errors=True)
