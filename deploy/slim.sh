#!/bin/sh
# slim.sh VENV: takes out of an environment what no pipeline uses. What is left is imported afterwards (warm.py), and the
# container's tests process events with it.
set -eu
cd "$1"/lib/python3*/site-packages

# the libraries' own tests, sources and headers
find . -type d \( -name tests -o -name test \) -path '*/*/*' -prune -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' -o -name '*.cpp' -o -name '*.h' \
    -o -name '*.hpp' -o -name '*.a' -o -name '*.lib' \) -delete
rm -rf pyarrow/include pyarrow/src

# Arrow Flight, S3, Azure, Google, HDFS, ORC: events come from Kafka, files are read by path
rm -f pyarrow/libarrow_flight.so* pyarrow/_flight* pyarrow/libarrow_python_flight* pyarrow/libarrow_s3.so* pyarrow/_s3fs* \
    pyarrow/_azurefs* pyarrow/_gcsfs* pyarrow/_hdfs* pyarrow/_orc* pyarrow/_dataset_orc* pyarrow/_pyarrow_cpp_tests*

# ONNX Runtime twice: this one is for programs in C, Python's extension holds its own
rm -f onnxruntime/capi/libonnxruntime.so.*
# tools to convert and quantise models: they belong where a model is made
rm -rf onnxruntime/transformers onnxruntime/quantization onnxruntime/tools onnxruntime/datasets

# symbols that only a debugger reads. Not in *.libs: auditwheel has moved their sections, and strip would break them
find . -type f -name '*.so*' ! -path './*.libs/*' -exec strip --strip-unneeded {} +
