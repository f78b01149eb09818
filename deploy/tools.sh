#!/usr/bin/env bash
# Prometheus, promtool and Alertmanager for `make watch` and the tests, from Debian's packages, unpacked into
# .stream/tools: no service is installed and nothing outside of the project changes. Programs on the PATH are taken
# where there are some, so that another system can bring its own.
set -euo pipefail
cd "$(dirname "$0")/.."
into=.stream/tools
programs=(prometheus promtool prometheus-alertmanager)

have() {
    for name in "${programs[@]}"; do
        command -v "$1$name" > /dev/null || return 1
    done
}

if have "$PWD/$into/usr/bin/" || have ""; then
    exit 0
fi
if ! command -v apt-get > /dev/null || ! command -v dpkg > /dev/null; then
    echo "needed on the PATH: ${programs[*]}. Here is no apt-get to bring them: install Prometheus and Alertmanager" \
        "with your package manager (and link alertmanager as prometheus-alertmanager)." >&2
    exit 1
fi
new=$(mktemp -d "${TMPDIR:-/tmp}/tools.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
if [ "$(id -u)" = 0 ]; then
    apt-get update -qq
fi
(cd "$new" && apt-get download -qq prometheus prometheus-alertmanager)
mkdir -p .stream "$new/root"
for package in "$new"/*.deb; do
    dpkg --extract "$package" "$new/root"
done
rm -rf "$into"
mv "$new/root" "$into"
have "$PWD/$into/usr/bin/"
