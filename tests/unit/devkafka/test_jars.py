"""The pinned jars: which are there, which are broken, and what is done about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stream.devkafka.jars import DOWNLOAD_ATTEMPTS, Jar, Lock, fetch, is_whole, read_lock
from stream.errors import UnreachableError

CONTENT = {"a:one:1": b"PK the first jar" * 99, "a:two:1": b"PK the second" * 99}


@dataclass
class FakeRepository:
    """Delivers what `deliveries` says for an artifact, one after the other, then the true content."""

    folder: Path
    deliveries: dict[str, list[bytes | Exception]] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)

    def path(self, artifact):
        return self.folder / f"{artifact.replace(':', '-')}.jar"

    def download(self, artifact):
        assert not self.path(artifact).exists(), "jgo keeps a file that is there, however broken"
        self.downloads.append(artifact)
        content = self.deliveries.get(artifact, []).pop(0) if self.deliveries.get(artifact) else CONTENT[artifact]
        if isinstance(content, Exception):
            self.path(artifact).write_bytes(CONTENT[artifact][:7])
            raise content
        self.path(artifact).write_bytes(content)


def lock_of(contents):
    return Lock("4.3.1", tuple(Jar(a, len(c), hashlib.sha256(c).hexdigest()) for a, c in contents.items()))


def quiet(_):
    pass


def test_jars_that_are_there_and_whole_are_not_downloaded_again(tmp_path):
    repository = FakeRepository(tmp_path)
    paths = fetch(lock_of(CONTENT), repository, quiet, sleep=quiet)
    assert [p.read_bytes() for p in paths] == list(CONTENT.values())

    said = []
    assert fetch(lock_of(CONTENT), FakeRepository(tmp_path), said.append) == paths
    assert said == []
    assert sorted(repository.downloads) == sorted(CONTENT)


@pytest.mark.parametrize("planted", [b"", CONTENT["a:one:1"][:-5], CONTENT["a:one:1"].replace(b"first", b"wrong")])
def test_a_truncated_or_changed_jar_is_replaced_and_the_others_are_left(tmp_path, planted):
    repository = FakeRepository(tmp_path)
    first, _ = fetch(lock_of(CONTENT), repository, quiet, sleep=quiet)
    first.write_bytes(planted)
    said = []
    assert fetch(lock_of(CONTENT), repository, said.append, sleep=quiet)[0].read_bytes() == CONTENT["a:one:1"]
    assert sorted(repository.downloads[: len(CONTENT)]) == sorted(CONTENT), "several at a time, in any order"
    assert repository.downloads[len(CONTENT) :] == ["a:one:1"]
    assert len(said) == 1
    assert "1 files" in said[0]


def test_a_download_that_breaks_off_is_tried_again(tmp_path):
    broken = [ConnectionError("reset"), CONTENT["a:one:1"][:9]]
    repository = FakeRepository(tmp_path, {"a:one:1": broken})
    first, _ = fetch(lock_of(CONTENT), repository, quiet, sleep=quiet)
    assert is_whole(first, lock_of(CONTENT).jars[0])
    assert repository.downloads.count("a:one:1") == 3


def test_a_jar_that_cannot_be_had_is_named_and_nothing_broken_stays(tmp_path):
    repository = FakeRepository(tmp_path, {"a:two:1": [ConnectionError("no route")] * DOWNLOAD_ATTEMPTS})
    with pytest.raises(UnreachableError, match=r"a:two:1 .* no route"):
        fetch(lock_of(CONTENT), repository, quiet, sleep=quiet)
    assert not repository.path("a:two:1").exists()


def test_the_wrong_file_from_afar_is_never_accepted(tmp_path):
    repository = FakeRepository(tmp_path, {"a:two:1": [b"a login page"] * DOWNLOAD_ATTEMPTS})
    with pytest.raises(UnreachableError, match=r"a:two:1 .* not the pinned one"):
        fetch(lock_of(CONTENT), repository, quiet, sleep=quiet)


def test_the_lock_pins_one_version_of_each_jar_and_kafka_is_one_release():
    lock = read_lock()
    names = [jar.artifact.rsplit(":", 1)[0] for jar in lock.jars]
    assert len(set(names)) == len(names) > 40
    kafka = {jar.artifact.rsplit(":", 1)[1] for jar in lock.jars if jar.artifact.startswith("org.apache.kafka:")}
    assert kafka == {lock.kafka} == {"4.3.1"}
    assert {"org.apache.logging.log4j:log4j-slf4j-impl", "org.apache.kafka:kafka-tools"} <= set(names)
