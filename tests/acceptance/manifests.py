"""What deploy/kubernetes says, rendered by kubectl's kustomize, and a strict judge of it."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import yaml

ROOT: Final = Path(__file__).parents[2]
KUBERNETES: Final = "1.35"
CRDS: Final = ROOT / "tests" / "data" / "crds"
OWN: Final = ROOT / ".stream" / "kubectl" / "kubectl"

Manifest = dict[str, Any]


def render(overlay: str) -> list[Manifest]:
    """Every object of an overlay."""
    kubectl = shutil.which("kubectl") or shutil.which(OWN)
    assert kubectl, "no kubectl: make tools brings one"
    folder = ROOT / "deploy" / "kubernetes" / "overlays" / overlay
    command = [kubectl, "kustomize", "--load-restrictor=LoadRestrictionsNone", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def mistakes(manifest: Manifest) -> list[str]:
    """What its schema does not allow, unknown keys included; a kind without a schema is a mistake."""
    crd = CRDS / f"{manifest['apiVersion'].replace('/', '_')}_{manifest['kind']}.json"
    if crd.exists():
        judge = jsonschema.Draft202012Validator(closed(json.loads(crd.read_text())))
        return [f"{error.json_path}: {error.message}" for error in judge.iter_errors(manifest)]
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    return []


def closed(schema: Any) -> Any:
    """The schema of a custom resource with unknown keys refused, as the API server does with strict validation."""
    schema = copy.deepcopy(schema)
    for part in _parts(schema):
        if "properties" in part and not part.get("x-kubernetes-preserve-unknown-fields"):
            part.setdefault("additionalProperties", False)
    schema["properties"]["metadata"]["additionalProperties"] = True
    return schema


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for name, value in schema.items():
            held = value.values() if name == "properties" else [value]
            for part in held:
                yield from _parts(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _parts(part)


def one(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind]
    return found


def mounted(manifests: list[Manifest], folder: Path) -> None:
    """Under the folder, the files that the worker of these manifests would find."""
    import base64

    maps = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "ConfigMap"}
    pod = one(manifests, "StatefulSet")["spec"]["template"]["spec"]
    volumes = {v["name"]: v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v}
    for mount in pod["containers"][0]["volumeMounts"]:
        if mount["name"] not in volumes:
            continue
        held, place = maps[volumes[mount["name"]]], folder / os.path.relpath(mount["mountPath"], "/")
        place.mkdir(parents=True, exist_ok=True)
        for name, text in held.get("data", {}).items():
            (place / name).write_text(text)
        for name, packed in held.get("binaryData", {}).items():
            (place / name).write_bytes(base64.b64decode(packed))
