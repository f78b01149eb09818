"""Builds the native parts, the Avro codec and the Kafka transport; all else about the package is in pyproject.toml.

The extensions are optional: without a C compiler the installation goes on, and the reference codec and the
Python transport are used. setuptools hands .pyx files to Cython by itself; Cython's own `cythonize` would
forget that they are optional.
"""

from pathlib import Path

from setuptools import Extension, setup


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
    ext_modules=[
        *(extension("avro", module) for module in ("native_decode", "native_encode")),
        *(extension("kafka.native", module) for module in ("library", "client", "columns", "consumer", "producer")),
    ]
)
