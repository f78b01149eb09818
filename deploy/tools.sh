#!/usr/bin/env bash
# Prometheus, promtool and Alertmanager for `make watch` and the tests, from Debian's packages, unpacked into
# .stream/tools: no service is installed or started. Programs on the PATH are taken where there are some, so that another
# system can bring its own. Two files go outside of the project: Debian's Alertmanager looks for its templates under
# /usr/share/prometheus and does not start without them.
set -euo pipefail
cd "$(dirname "$0")/.."
into=.stream/tools
templates=usr/share/prometheus/alertmanager
programs=(prometheus promtool prometheus-alertmanager)

have() {
    for name in "${programs[@]}"; do
        command -v "$1$name" > /dev/null || return 1
    done
}

templates_there() {
    [ -e "/$templates/email.tmpl" ] || { mkdir -p "/$templates" && cp "$into/$templates"/*.tmpl "/$templates"; }
}

if have ""; then
    exit 0
elif have "$PWD/$into/usr/bin/"; then
    templates_there
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
templates_there
