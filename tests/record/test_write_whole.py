"""Writing a file that a user names: whole, through links, and never in place of what is no plain file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.record.folder import write_whole


def test_a_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "there" / "junit.xml", tmp_path / "junit.xml"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to("there/junit.xml")
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["junit.xml"]


def test_a_link_to_a_file_that_is_not_there_makes_it(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("file")
    write_whole(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("through_link", [False, True])
def test_a_pipe_stays_a_pipe_and_gets_the_content(through_link: bool, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    named = tmp_path / "link" if through_link else pipe
    if through_link:
        named.symlink_to("pipe")
    content = b"x" * 200_000  # more than a pipe holds
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_whole(named, content)
    reader.join(timeout=10)
    assert read == [content]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_standard_output_by_another_name_is_written_behind_what_is_there(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path\n"
    program += "from twinstorm.scenarios.record.folder import write_whole\n"
    program += "sys.stdout.write('first '); sys.stdout.flush(); write_whole(Path('/dev/stdout'), 'second')"
    out = tmp_path / "out.txt"
    with out.open("wb") as stream:
        inode = out.stat().st_ino
        subprocess.run([sys.executable, "-c", program], stdout=stream, check=True, timeout=20)
    assert out.read_text() == "first second"
    assert out.stat().st_ino == inode


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        write_whole(tmp_path / "no" / "file", "new")
