"""deploy/kubernetes: each overlay renders, is strictly valid, fits together, and means what its comments say."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from acceptance.manifests import ROOT, Manifest, mistakes, mounted, one, render

from stream.config import load
from stream.config.environment import read
from stream.metrics import METRICS

RULES = ROOT / "deploy" / "prometheus" / "rules"
SESSION_TIMEOUT_S = 15


@pytest.fixture(scope="module", params=["development", "production"])
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(request.param)


@pytest.fixture(scope="module")
def production() -> list[Manifest]:
    return render("production")


def pod_of(manifests: list[Manifest]) -> Any:
    return one(manifests, "StatefulSet")["spec"]["template"]["spec"]


def worker_of(manifests: list[Manifest]) -> Any:
    (container,) = pod_of(manifests)["containers"]
    return container


def test_every_object_is_valid_and_no_key_is_unknown(manifests: list[Manifest]) -> None:
    found = {f"{m['kind']}/{m['metadata']['name']}": mistakes(m) for m in manifests}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("kind", "path", "key", "value"),
    [
        ("StatefulSet", ["spec"], "replica", 2),
        ("StatefulSet", ["spec", "template", "spec"], "terminationGracePeriod", 30),
        ("StatefulSet", ["spec", "template", "spec", "containers", 0, "livenessProbe"], "failureTreshold", 3),
        ("PodDisruptionBudget", ["spec"], "maxUnavailabel", 1),
        ("NetworkPolicy", ["spec", "egress", 0], "too", []),
        ("PodMonitor", ["spec", "podMetricsEndpoints", 0], "intervall", "15s"),
        ("PodMonitor", ["spec"], "jobLabel", 5),
        ("PrometheusRule", ["spec", "groups", 0, "rules", 0], "expression", "up"),
        ("ScaledObject", ["spec"], "maxReplicas", 6),
        ("ScaledObject", ["spec", "triggers", 0, "metadata"], "threshold", 30),
    ],
)
def test_a_misspelt_key_and_a_wrong_type_are_found(
    production: list[Manifest], kind: str, path: list[Any], key: str, value: Any
) -> None:
    broken = copy.deepcopy(one(production, kind))
    place: Any = broken
    for step in path:
        place = place[step]
    place[key] = value
    assert mistakes(broken)


def test_all_that_selects_pods_selects_the_workers_and_nothing_else(manifests: list[Manifest]) -> None:
    labels = one(manifests, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    found = {"StatefulSet": one(manifests, "StatefulSet")["spec"]["selector"]["matchLabels"]}
    found["Service"] = one(manifests, "Service")["spec"]["selector"]
    found["NetworkPolicy"] = one(manifests, "NetworkPolicy")["spec"]["podSelector"].get("matchLabels")
    found["PodMonitor"] = one(manifests, "PodMonitor")["spec"]["selector"].get("matchLabels")
    for budget in (m for m in manifests if m["kind"] == "PodDisruptionBudget"):
        found["PodDisruptionBudget"] = budget["spec"].get("selector", {}).get("matchLabels")
    for constraint in pod_of(manifests)["topologySpreadConstraints"]:
        found[constraint["topologyKey"]] = constraint["labelSelector"]["matchLabels"]
    assert found == dict.fromkeys(found, labels)


def test_what_is_named_is_there(manifests: list[Manifest]) -> None:
    maps = {m["metadata"]["name"] for m in manifests if m["kind"] == "ConfigMap"}
    volumes = {v["name"]: v for v in pod_of(manifests)["volumes"]}
    assert {m["name"] for m in worker_of(manifests)["volumeMounts"]} == volumes.keys()
    assert {v["configMap"]["name"] for v in volumes.values() if "configMap" in v} < maps
    assert worker_of(manifests)["envFrom"][0]["configMapRef"]["name"] in maps
    assert pod_of(manifests)["serviceAccountName"] == one(manifests, "ServiceAccount")["metadata"]["name"]
    assert len({m["metadata"]["namespace"] for m in manifests}) == 1


def test_the_pipeline_that_is_mounted_passes_stream_check(manifests: list[Manifest], tmp_path: Path) -> None:
    mounted(manifests, tmp_path)
    command = [sys.executable, "-m", "stream", "check", worker_of(manifests)["args"][1]]
    done = subprocess.run(command, cwd=tmp_path / "project", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_environment_has_no_mistake_and_the_slot_is_the_name_of_the_pod(manifests: list[Manifest]) -> None:
    container = worker_of(manifests)
    named = container["envFrom"][0]["configMapRef"]["name"]
    (held,) = [m["data"] for m in manifests if m["metadata"]["name"] == named]
    given = {entry["name"]: entry.get("value", "flights-0") for entry in container["env"]}
    environment, problems = read({**held, **given}, "node", terminal=False)
    assert problems == []
    assert environment.instance == "flights-0"
    (slot,) = [entry for entry in container["env"] if entry["name"] == "STREAM_INSTANCE"]
    assert slot["valueFrom"] == {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}} or slot[
        "valueFrom"
    ] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert pod_of(manifests)["enableServiceLinks"] is False


def test_probes_ask_the_worker_and_never_the_broker(manifests: list[Manifest]) -> None:
    container = worker_of(manifests)
    pages = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: page["path"] for name, page in pages.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {page["port"] for page in pages.values()} == {"http"}
    address = next(entry["value"] for entry in container["env"] if entry["name"] == "STREAM_HTTP_ADDRESS")
    assert address == f"0.0.0.0:{ports['http']}"


def test_the_grace_period_covers_the_last_batch_and_its_transaction(manifests: list[Manifest]) -> None:
    timeout_s = load(ROOT / "pipelines" / "flights.yaml", {}).file.transaction.timeout_s
    assert timeout_s < SESSION_TIMEOUT_S < pod_of(manifests)["terminationGracePeriodSeconds"]
    assert pod_of(manifests)["terminationGracePeriodSeconds"] >= 3 * timeout_s


def test_pods_run_with_no_right_that_they_do_not_need(manifests: list[Manifest]) -> None:
    pods = [pod_of(manifests)] + [m["spec"]["template"]["spec"] for m in manifests if m["kind"] == "Job"]
    user = next(line for line in (ROOT / "deploy" / "Dockerfile").read_text().splitlines() if line.startswith("USER "))
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert user == f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]
            assert container["image"].rpartition(":")[2] not in ("", "latest", container["image"])


def test_keda_starts_no_more_workers_than_there_are_partitions(production: list[Manifest]) -> None:
    scaled = one(production, "ScaledObject")
    partitions = int(scaled["metadata"]["annotations"]["stream/partitions"])
    job = one(render("development"), "Job")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert job[job.index("--partitions") + 1] == str(partitions)
    assert 1 <= scaled["spec"]["minReplicaCount"] <= scaled["spec"]["maxReplicaCount"] <= partitions
    assert scaled["spec"]["fallback"]["replicas"] <= partitions
    assert scaled["spec"]["scaleTargetRef"] == {
        "kind": "StatefulSet",
        "name": one(production, "StatefulSet")["metadata"]["name"],
    }
    assert "replicas" not in one(production, "StatefulSet")["spec"], "KEDA alone says how many"
    (trigger,) = scaled["spec"]["triggers"]
    name = trigger["metadata"]["query"].partition("(")[2].partition("{")[0]
    assert name == "stream_consumer_lag_seconds"
    assert name.removeprefix("stream_") in {metric.name.removeprefix("stream_") for metric in METRICS}


def test_the_operators_rules_are_those_of_prometheus_and_find_their_job(manifests: list[Manifest]) -> None:
    files = [yaml.safe_load((RULES / name).read_text()) for name in ("recording.yml", "alerts.yml")]
    assert one(manifests, "PrometheusRule")["spec"]["groups"] == [group for file in files for group in file["groups"]]
    label = one(manifests, "PodMonitor")["spec"]["jobLabel"]
    assert one(manifests, "StatefulSet")["spec"]["template"]["metadata"]["labels"][label] == "stream"
