"""What a guest is handed: files for one person, and a command that carries no password."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.broker.guest_files import GuestFiles

SECRET = "-s p'ace$"


def test_the_files_are_for_their_owner_alone_and_the_command_names_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    files = GuestFiles("127.0.0.1", 1883, "guest", SECRET)
    folder = files.credentials.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert files.credentials.read_text() == f"guest {SECRET}\n"
    assert SECRET not in files.command("fleet/#")
    files.close()
    files.close()
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_written_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("twinstorm.broker.guest_files.write_private", full)
    with pytest.raises(OSError, match="No space"):
        GuestFiles("127.0.0.1", 1883, "guest", SECRET)
    assert list(tmp_path.iterdir()) == []


def test_the_clients_of_mosquitto_get_in_with_the_command(mosquitto_sub: str) -> None:
    broker = EmbeddedBroker([], now_us=lambda: 0)
    port = broker.open()
    files = GuestFiles("127.0.0.1", port, *broker.guest_credentials())
    path = os.pathsep.join((str(Path(mosquitto_sub).parent), os.environ.get("PATH", os.defpath)))

    def shell(command: str) -> str:
        told = ["/bin/sh", "-c", command]
        return subprocess.run(
            told, check=True, timeout=10, capture_output=True, text=True, env={**os.environ, "PATH": path}
        ).stdout

    try:
        listen = files.command("fleet/#")
        shell(f"{listen.replace('mosquitto_sub', 'mosquitto_pub').replace('#', 'hello')} -r -m there")
        assert shell(f"{listen} -C 1 -W 5") == "there\n"
    finally:
        files.close()
        broker.close()
