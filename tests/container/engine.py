"""Images built by buildah and run by podman over runc (Debian packages), with a store of their own.

Where no image registry is reached, the base images of deploy/Dockerfile have stand-ins: a Debian with the same Python,
made from Debian packages by mmdebstrap. The Dockerfile is the same; only its two build arguments differ.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from acceptance.running import Worker

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ("buildah", "mmdebstrap", "podman", "runc")
SUITE: Final = "bookworm"
BASE_PACKAGES: Final = "python3,libstdc++6,ca-certificates"
BUILD_PACKAGES: Final = f"{BASE_PACKAGES},python3-venv,python3-pip,python3-dev,gcc,libc6-dev"
NO_DOCS: Final = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
PASSED_THROUGH: Final = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""How pip finds its index and whom it trusts, where this machine says so; for the build alone, not in the image."""
BUILD_S: Final = 900.0
LIMITS: Final = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Below what any machine allows: raising them needs a privilege that a machine in a sandbox may lack."""


@dataclass(frozen=True)
class Engine:
    """storage: where images are kept; scratch: what is gone after the tests."""

    storage: Path
    scratch: Path
    started: list[str] = field(default_factory=list)

    def require(self) -> None:
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        assert not missing, f"{', '.join(missing)} not installed: make container installs the Debian packages"

    def build(self, file: str, tag: str, target: str) -> str:
        """buildah of one of a Dockerfile's images, at the repository's root."""
        name = f"localhost/{tag}"
        given = [f"--volume={path}:{path}:ro" for path in PASSED_THROUGH if Path(path).exists()]
        arguments = [
            f"--build-arg=BUILD_IMAGE={self._stand_in('build', BUILD_PACKAGES)}",
            f"--build-arg=BASE_IMAGE={self._stand_in('base', BASE_PACKAGES)}",
        ]
        settings = ["--isolation=chroot", "--network=host", "--format=docker", "--layers", "--pull-never"]
        settings.append(f"--target={target}")
        self._run("buildah", ["bud", *settings, *given, *arguments, "-f", file, "-t", name, str(ROOT)], BUILD_S)
        return name

    def run(self, image: str, *command: str, options: Sequence[str] = (), timeout_s: float = 120.0) -> str:
        """What the command said; it must end with 0. The root is read-only and no capability is left."""
        done = self._podman([*self._hardened(), "--rm", *options, image, *command], timeout_s)
        return done.stdout

    def start(self, image: str, *command: str, name: str, environ: Mapping[str, str], options: Sequence[str]) -> Worker:
        """A container whose log is followed; its worker listens on the machine's own network."""
        given = [f"--env={key}={value}" for key, value in environ.items()]
        log, output = self.scratch / f"{name}.log", self.scratch / f"{name}.out"
        arguments = [*self._hardened(), "--name", name, *given, *options, image, *command]
        with log.open("wb") as errors, output.open("wb") as out:
            popen = subprocess.Popen(
                ["podman", *self._where(), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=errors
            )
        self.started.append(name)
        return Worker(popen, log, output)

    def ask(self, *arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """podman, whatever its exit code."""
        return self._podman(arguments, timeout_s, check=False)

    def inspect(self, image: str) -> dict[str, Any]:
        (found,) = json.loads(self._podman(["image", "inspect", image], 60.0).stdout)
        assert isinstance(found, dict)
        return found

    def end(self) -> None:
        for name in self.started:
            self.ask("rm", "--force", "--ignore", "--time=0", name)

    def _hardened(self) -> list[str]:
        safe = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        return ["run", "--network=host", *LIMITS, *safe]

    def _stand_in(self, kind: str, packages: str) -> str:
        """The name of the image; made when the store does not hold it."""
        name = f"localhost/debian-python-{kind}:{SUITE}"
        if self.ask("image", "exists", name).returncode:
            archive = self.scratch / f"{kind}.tar"
            options = ["--variant=essential", "--mode=root", *_apt_settings(), *NO_DOCS, f"--include={packages}"]
            subprocess.run(["mmdebstrap", "--quiet", *options, SUITE, archive], check=True, timeout=BUILD_S)
            self._podman(["import", "--quiet", str(archive), name], BUILD_S)
            archive.unlink()
        return name

    def _where(self) -> list[str]:
        store = ["--root", str(self.storage / "images"), "--runroot", str(self.storage / "run")]
        return [*store, "--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--runtime=runc"]

    def _podman(
        self, arguments: Sequence[str], timeout_s: float, *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return self._run("podman", [*self._where(), *arguments], timeout_s, check=check, placed=True)

    def _run(
        self, tool: str, arguments: Sequence[str], timeout_s: float, *, check: bool = True, placed: bool = False
    ) -> subprocess.CompletedProcess[str]:
        command = [tool, *([] if placed else self._where()[:5]), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done


def _apt_settings() -> list[str]:
    """This machine's own settings of apt (proxies, trust), file by file."""
    folder = Path("/etc/apt/apt.conf.d")
    wanted = [path for path in sorted(folder.glob("*")) if "Acquire::" in path.read_text(errors="replace")]
    return [f"--aptopt={path}" for path in wanted if os.access(path, os.R_OK)]


def await_exit(worker: Worker, timeout_s: float = 60.0) -> int:
    """The exit code of a container, as podman hands it on."""
    deadline = time.monotonic() + timeout_s
    while worker.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    return worker.wait(1.0)
