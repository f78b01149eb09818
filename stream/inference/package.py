"""A model package on disk: models/<name>/<integer version>/{model.onnx, manifest.json}.

The layout is Triton's, which Seldon Core and KServe take too. manifest.json is written last, so a version
without one is not there yet. What is loaded is the very bytes whose hash was compared.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream.errors import ConfigurationError, Problem
from stream.inference.manifest import KeyPath, Manifest, locate, parse_manifest
from stream.inference.onnxfile import MalformedError, unsafe_parts

MODEL_FILE: Final = "model.onnx"
MANIFEST_FILE: Final = "manifest.json"
MAX_MODEL_BYTES: Final = 512 * 1024 * 1024
MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
VERSION_FOLDER: Final = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a model: its manifest and the bytes that the manifest vouches for."""

    folder: Path
    manifest: Manifest
    manifest_text: str
    model: bytes

    @property
    def label(self) -> str:
        """name/version, as it stands in headers and metrics."""
        return f"{self.manifest.name}/{self.manifest.version}"

    def place(self, at: KeyPath) -> str:
        """file:line:column of a key path in the manifest."""
        return locate(self.manifest_text, self.folder / MANIFEST_FILE, at)


def load_package(folder: Path) -> Package:
    """Read and verify models/<name> (its highest version) or models/<name>/<version>.

    The graph is not run: that is what Model does. Raises ConfigurationError with the place of each mistake:
    a missing or oversized file, a bad manifest, another hash, an unsafe model file.
    """
    version = version_folder(folder)
    path = version / MANIFEST_FILE
    text = _decoded(read_bounded(path, MAX_MANIFEST_BYTES), path)
    manifest = parse_manifest(text, path)
    model = read_model(version / MODEL_FILE)
    package = Package(version, manifest, text, model)
    problems = _misplaced(package)
    if hashlib.sha256(model).hexdigest() != manifest.sha256:
        message = f"{MODEL_FILE} is not the file that was packed (its SHA-256 differs); pack it again as a new version"
        problems.append(Problem(message, place=package.place(("sha256",))))
    if problems:
        raise ConfigurationError(problems)
    return package


def version_folder(folder: Path) -> Path:
    """The folder itself when it holds a manifest, otherwise its highest finished version."""
    if (folder / MANIFEST_FILE).exists() or VERSION_FOLDER.fullmatch(folder.name):
        return folder
    versions = finished_versions(folder)
    if not versions:
        raise ConfigurationError(
            [Problem(f"no model package in {folder}: expected {folder.name}/<version>/{MANIFEST_FILE}; "
                     "`stream model pack` makes one", place=str(folder))]
        )  # fmt: skip
    return folder / str(max(versions))


def finished_versions(folder: Path) -> list[int]:
    """Versions of a model whose manifest has been written."""
    if not folder.is_dir():
        return []
    found = (f for f in folder.iterdir() if VERSION_FOLDER.fullmatch(f.name) and (f / MANIFEST_FILE).is_file())
    return sorted(int(f.name) for f in found)


def read_model(path: Path) -> bytes:
    """The bytes of an ONNX file that may be given to ONNX Runtime; ConfigurationError otherwise."""
    model = read_bounded(path, MAX_MODEL_BYTES)
    try:
        unsafe = unsafe_parts(model)
    except MalformedError as error:
        raise ConfigurationError([Problem(f"not an ONNX model: {error}", place=str(path))]) from None
    if unsafe:
        raise ConfigurationError([Problem(message, place=str(path)) for message in unsafe])
    return model


def read_bounded(path: Path, limit: int) -> bytes:
    """A file of at most `limit` bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError([Problem(f"{path}: cannot be read: {error.strerror}")]) from None
    if len(content) > limit:
        raise ConfigurationError([Problem(f"larger than {limit} bytes", place=str(path))])
    return content


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError([Problem("not UTF-8 text", place=f"{path}:1:1")]) from None


def _misplaced(package: Package) -> list[Problem]:
    """A manifest says where it belongs, so a copied folder is not taken for another model or version."""
    folder, manifest = package.folder.resolve(), package.manifest
    problems = []
    if folder.name != str(manifest.version):
        message = f"version {manifest.version} stands in folder {folder.name}: rename one of them"
        problems.append(Problem(message, place=package.place(("version",))))
    if folder.parent.name != manifest.name:
        message = f"model {manifest.name!r} stands in folder {folder.parent.name!r}: rename one of them"
        problems.append(Problem(message, place=package.place(("name",))))
    return problems
