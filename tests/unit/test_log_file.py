"""A log that is read while it is written."""

from __future__ import annotations

from pathlib import Path

from stream.log_file import LogFile


def test_each_whole_line_is_given_once_and_half_a_line_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    log = LogFile(path)
    path.write_bytes(b"")
    assert log.new_lines() == []
    path.write_bytes(b"one\ntwo\nthr")
    assert log.new_lines() == [b"one", b"two"]
    assert log.new_lines() == []
    path.write_bytes(b"one\ntwo\nthree\n")
    assert log.new_lines() == [b"three"]


def test_the_tail_is_the_last_lines_readable_or_not(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_bytes(b"one\n\xff\nthree")
    assert LogFile(path).tail(2) == "\ufffd\nthree"
