"""docker-compose.yml, and the one of a new project: valid, pinned, on loopback, ordered by health."""

from __future__ import annotations

import copy
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from compose.composed import ROOT, Service, in_order, load

from stream.config.environment import read
from stream.devkafka.jars import read_lock
from stream.scaffold.project_files import make_project

SCHEMA = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
OURS = ("stream-inference", "stream-inference-demo")
ONCE = "service_completed_successfully"


@pytest.fixture(scope="module")
def scaffold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scaffold") / "pumps"
    make_project(folder, "pumps")
    return folder / "docker-compose.yml"


@pytest.fixture(params=["repository", "new project"])
def path(request: pytest.FixtureRequest, scaffold: Path) -> Path:
    return ROOT / "docker-compose.yml" if request.param == "repository" else scaffold


@pytest.fixture
def services(path: Path) -> dict[str, Service]:
    return load(path)


@pytest.fixture
def ours() -> dict[str, Service]:
    return load()


def problems(told: Any) -> list[str]:
    judge = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    return [f"{error.json_path}: {error.message}" for error in judge.iter_errors(told)]


def test_it_is_what_the_compose_specification_allows(path: Path) -> None:
    assert problems(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        (["services", "worker"], "comand", ["run"]),
        (["services", "worker"], "depends_on", {"kafka": {"condition": "healthy"}}),
        (["services", "kafka", "healthcheck"], "intervall", "5s"),
        (["services", "kafka"], "image", 4.3),
        (["services", "worker", "deploy"], "replica", 2),
        ([], "volume", {}),
    ],
)
def test_what_it_does_not_allow_is_found(path: Path, place: list[str], key: str, value: Any) -> None:
    broken = copy.deepcopy(yaml.safe_load(path.read_text()))
    part = broken
    for step in place:
        part = part[step]
    part[key] = value
    assert problems(broken)


def test_every_image_is_of_one_version(services: dict[str, Service]) -> None:
    for service in services.values():
        name, _, tag = service.image.rpartition(":")
        if "STREAM_IMAGE" in service.image:
            continue  # of a new project: what was built here
        assert name, service.image
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), service.image


def test_kafka_is_the_one_that_everything_is_tested_with(services: dict[str, Service]) -> None:
    assert services["kafka"].image == f"apache/kafka:{read_lock().kafka}"


def test_ports_are_on_this_machines_loopback_and_each_is_there_once(services: dict[str, Service]) -> None:
    ports = [port for service in services.values() for port in service.ports]
    assert all(port.startswith("127.0.0.1:") for port in ports), ports
    outside = [port.split(":")[1] for port in ports]
    assert len(set(outside)) == len(outside)


def test_what_is_mounted_is_there(path: Path, services: dict[str, Service]) -> None:
    volumes = yaml.safe_load(path.read_text()).get("volumes", {})
    for service in services.values():
        for mount in service.mounts:
            assert mount.source in volumes if mount.is_volume else (path.parent / mount.source).exists(), mount
            assert mount.is_volume or mount.read_only, mount


def test_a_service_starts_when_those_it_needs_are_healthy(services: dict[str, Service]) -> None:
    in_order(services)
    for service in services.values():
        for other, condition in service.conditions.items():
            needed = services[other]
            if condition == ONCE:
                assert needed.restart != "unless-stopped", f"{other} ends"
                assert needed.health is None
            else:
                assert condition == "service_healthy"
                assert needed.health, f"{other} is waited for, and says nothing of its health"


def test_what_is_no_worker_does_not_have_the_images_health_check(services: dict[str, Service]) -> None:
    """It asks the pages of a worker: `up --wait` would wait for ever."""
    for service in services.values():
        if service.image.startswith((*OURS, "${STREAM_IMAGE")) and service.command[0] != "run":
            assert service.raw.get("healthcheck") == {"disable": True}, service.name


def test_there_are_two_workers_with_an_id_of_their_own_that_outlasts_a_crash(services: dict[str, Service]) -> None:
    worker = services["worker"]
    assert worker.replicas == 2
    assert "STREAM_INSTANCE" not in worker.environment, "one for both: they would fence each other"
    assert "hostname" not in worker.raw
    assert "container_name" not in worker.raw
    assert worker.restart == "unless-stopped", "the same container again, with the same host name"


def test_the_settings_of_our_own_services_have_no_mistake(services: dict[str, Service]) -> None:
    for service in services.values():
        if service.image.startswith((*OURS, "${STREAM_IMAGE")):
            environment, found = read(service.environment, "1a2b3c4d5e6f", terminal=False)
            assert found == []
            assert environment.instance == "1a2b3c4d5e6f"
            assert environment.bootstrap_servers in services["kafka"].environment["KAFKA_ADVERTISED_LISTENERS"]


def test_our_own_containers_have_no_right_that_they_do_not_need(services: dict[str, Service]) -> None:
    for service in services.values():
        if service.image.startswith((*OURS, "${STREAM_IMAGE")):
            assert service.read_only
            assert not service.capabilities
            assert service.raw["security_opt"] == ["no-new-privileges:true"]


def test_the_stack_has_what_it_promises(ours: dict[str, Service]) -> None:
    always = {name for name, service in ours.items() if not service.profiles}
    assert always >= {"kafka", "registry", "worker", "flights", "prometheus", "alertmanager", "grafana"}
    assert ours["kafka-ui"].profiles == ["ui"]
    home = ours["grafana"].environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    boards = max((m for m in ours["grafana"].mounts if home.startswith(m.target)), key=lambda m: len(m.target))
    assert (ROOT / boards.source / Path(home).relative_to(boards.target)).is_file()


def test_prometheus_finds_the_workers_and_the_alertmanager_by_the_names_of_services(ours: dict[str, Service]) -> None:
    told = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (found,) = told["scrape_configs"][0]["dns_sd_configs"]
    (name,) = found["names"]
    assert ours[name].environment["STREAM_HTTP_ADDRESS"] == f"0.0.0.0:{found['port']}"
    (alertmanagers,) = told["alerting"]["alertmanagers"]
    assert alertmanagers["static_configs"][0]["targets"] == ["alertmanager:9093"]
    assert "alertmanager" in ours
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    assert "prometheus" in ours


def test_the_images_that_are_built_are_in_the_dockerfile(ours: dict[str, Service]) -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    targets = set(re.findall(r"^FROM \S+ AS (\w+)", text, re.MULTILINE))
    for service in ours.values():
        if build := service.raw.get("build"):
            assert (ROOT / build["dockerfile"]).is_file()
            assert build["target"] in targets
            assert service.image.startswith(
                "stream-inference-demo" if build["target"] == "demo" else "stream-inference:"
            )


def test_the_readme_and_the_page_tell_every_address(ours: dict[str, Service]) -> None:
    addresses = {port.rpartition(":")[0] for service in ours.values() for port in service.ports}
    for page in ("README.md", "docs/deployment.md"):
        text = (ROOT / page).read_text("utf-8")
        assert {address for address in addresses if address not in text} == set(), page
