"""Builds the native Avro codec; everything else about the package is in pyproject.toml.

The extensions are optional: without a C compiler the installation goes on, and the reference codec is used.
setuptools hands .pyx files to Cython by itself; Cython's own `cythonize` would forget that they are optional.
"""

from pathlib import Path

from setuptools import Extension, setup


def extension(module: str) -> Extension:
    """A module of stream.avro, built again when any of the shared declarations changes."""
    return Extension(
        f"stream.avro.{module}",
        [f"stream/avro/{module}.pyx"],
        depends=[str(p) for p in Path("stream/avro").glob("*.pxd")],
        extra_compile_args=["-O3"],
        optional=True,
    )


setup(ext_modules=[extension("native_decode"), extension("native_encode")])
