"""Builds the native parts, the Avro codec and the Kafka transport, and lays the demonstration's pipeline into the
package; all else about the package is in pyproject.toml.

The extensions are optional: without a C compiler the installation goes on, and the reference codec and the
Python transport are used. setuptools hands .pyx files to Cython by itself; Cython's own `cythonize` would
forget that they are optional.
"""

from pathlib import Path
from shutil import copyfile

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

EXAMPLE = (
    "pipelines/flights.yaml",
    "schemas/flight.avsc",
    "schemas/prediction.avsc",
    "suites/departed-flight.json",
    "models/arrival-delay/1/manifest.json",
    "models/arrival-delay/1/model.onnx",
)
"""What `stream demo` runs where there is no repository; it stands beside the package in one."""


class BuildWithExample(build_py):
    """The modules, and the example in stream/demo/example; a tree without examples makes a package without one."""

    def run(self) -> None:
        super().run()
        if self.editable_mode or not Path(EXAMPLE[0]).exists():
            return
        for name in EXAMPLE:
            target = Path(self.build_lib, "stream", "demo", "example", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(name, target)


def extension(package: str, module: str) -> Extension:
    """A module of a package, built again when any of the package's shared declarations changes."""
    folder = Path("stream", *package.split("."))
    return Extension(
        f"stream.{package}.{module}",
        [str(folder / f"{module}.pyx")],
        depends=[str(p) for p in folder.glob("*.pxd")],
        extra_compile_args=["-O3"],
        optional=True,
    )


setup(
    cmdclass={"build_py": BuildWithExample},
    ext_modules=[
        *(extension("avro", module) for module in ("native_decode", "native_encode")),
        *(extension("kafka.native", module) for module in ("library", "client", "columns", "consumer", "producer")),
    ],
)
