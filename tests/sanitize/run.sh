#!/bin/sh
# Runs the native codec's and the native transport's tests under AddressSanitizer and UndefinedBehaviorSanitizer, and
# cases of the fuzzing for the decoder and the framing.
#
#   tests/sanitize/run.sh [pytest arguments]      PYTHON=.venv/bin/python, AVRO_CASES=5000
#   FUZZ_CASES=2000 FUZZ_FIRST=0 FUZZ_SEED=1      of the decoder, some 420 messages each; FUZZ_ONLY=1 for nothing else
#   FUZZ_RESULTS=/absolute/path.jsonl             append what was done
#
# The instrumented modules are built in a folder of their own. Python and Arrow allocate with malloc, so that
# each of their buffers has its red zones too. Leaks are left to the tests of memory: Python's own would drown
# ours. Those tests watch the resident set, which the sanitizer's quarantine grows, so they are left out here.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

mkdir "$build/tests" "$build/tests/unit" "$build/tests/unit/kafka"
cp -R "$root/stream" "$root/setup.py" "$build/"
cp -R "$root/tests/unit/avro_native" "$build/tests/unit/"
cp -R "$root/tests/fuzz" "$build/tests/"
cp "$root/tests/unit/kafka/test_native.py" "$build/tests/unit/kafka/"
cp "$root/tests/sanitize/test_native_round.py" "$build/tests/"
find "$build" -name '*.so' -delete
cd "$build"

flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
CC=gcc CFLAGS="$flags" LDFLAGS="$flags" "$python" setup.py -q build_ext --inplace --force
ls stream/avro/native_decode*.so stream/avro/native_encode*.so

preload=""
for library in libasan.so libubsan.so libstdc++.so.6; do
    preload="$preload $(gcc -print-file-name=$library)"
done
export LD_PRELOAD="$preload"
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
export PYTHONMALLOC=malloc ARROW_DEFAULT_MEMORY_POOL=system AVRO_CASES="${AVRO_CASES:-2000}"

# a sanitizer's address space has no limit, and its memory is no measure of ours
PYTHONPATH=tests:. FUZZ_UNLIMITED=1 "$python" -m fuzz decoder --label sanitized --cases "${FUZZ_CASES:-400}" \
    --first "${FUZZ_FIRST:-0}" --seed "${FUZZ_SEED:-1}" ${FUZZ_RESULTS:+--results "$FUZZ_RESULTS"}
test -z "${FUZZ_ONLY:-}" || exit 0

"$python" -m pytest -q --capture=sys -p no:cacheprovider --import-mode=importlib -o pythonpath="tests ." \
    -k "not thousand_calls and not thousand_decoders" \
    tests/unit/avro_native tests/unit/kafka/test_native.py tests/test_native_round.py "$@"
