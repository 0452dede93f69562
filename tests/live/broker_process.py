"""`twinstorm broker` as whoever types it has it: a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec

TWINSTORM = Path(sys.executable).with_name("twinstorm")


class Running:
    """A broker in a process of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [TWINSTORM, "broker", "--port", "0", "--every", "200 ms", "--json", *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.said = ""
        while "listening on" not in self.said:
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line
        self.port = int(self.said.rpartition("listening on ")[2].partition(":")[2].split(",")[0].split()[0])

    def credentials(self) -> dict[str, str]:
        lines = (self.folder / "broker.credentials").read_text().splitlines()
        return dict(line.split(" ") for line in lines)

    def end(self, number: int = signal.SIGINT) -> tuple[int, list[dict[str, int]]]:
        """Exit code and counters."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        self.said += err
        return self.process.returncode, [msgspec.json.decode(line) for line in out.splitlines()]
