"""compose.yaml: one that Docker takes, with settings that the code knows, and what is private on loopback only."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from runtime.settings import Settings
from tests.support.processes import ROOT

DEPLOY = ROOT / "deploy"
OURS = {"receiver": "receiver", "worker": "workers", "console": "console"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services, as the specification of Compose reads them."""
    compose = PyCompose.from_json(json.dumps(yaml.safe_load((DEPLOY / "compose.yaml").read_text())))
    compose.validate()
    compose.validate_networks()
    compose.validate_volumes()
    found: dict[str, Any] = compose.to_dict()["services"]
    return found


def environ(service: dict[str, Any]) -> dict[str, str]:
    """What a service's files of settings hold before anybody has filled them in."""
    files = service["env_file"] if isinstance(service["env_file"], list) else [service["env_file"]]
    lines = [line for file in files for line in (DEPLOY / f"{file}.example").read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_all_settings_are_in_files_and_known(services: dict[str, Any]) -> None:
    """Each process has what it needs, and none a variable that the code does not know."""
    for name, module in OURS.items():
        service = services[name]
        assert "environment" not in service
        assert service["command"] == ["python", "-P", "-m", module]
        Settings.load(environ(service))
    assert Settings.load(environ(services["worker"])).history_url.host == "postgres"
    assert not {"RELAY_ENCRYPTION_KEY", "IMP_SECRET", "RELAY_HISTORY_URL"} & set(environ(services["receiver"]))


def test_each_has_few_rights(services: dict[str, Any]) -> None:
    """A root that is read-only, no capability, and the time it needs to stop."""
    for name in OURS:
        service = services[name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["stop_grace_period"] == "40s"
        assert set(service["depends_on"]) == {"redis", "postgres"}


def test_only_the_receiver_is_public(services: dict[str, Any]) -> None:
    """Everything else is on the host's loopback, or nowhere."""
    ports = {name: [str(port) for port in service.get("ports", [])] for name, service in services.items()}
    public = {name for name, given in ports.items() if any(not port.startswith("127.0.0.1:") for port in given)}
    assert public == {"receiver"}
    assert not ports["redis"]
    assert not ports["postgres"]


def test_redis_is_durable_and_bounded(services: dict[str, Any]) -> None:
    """It runs with the configuration that another test starts."""
    assert services["redis"]["command"][:2] == ["redis-server", "/etc/redis.conf"]
    assert "./redis.conf:/etc/redis.conf:ro" in services["redis"]["volumes"]
    assert re.search(r"^maxmemory \d", (DEPLOY / "redis.conf").read_text(), re.MULTILINE)


def test_monitoring_is_there_when_asked_for(services: dict[str, Any]) -> None:
    """Prometheus and Grafana run in a profile of their own."""
    asked = {name for name, service in services.items() if service.get("profiles") == ["observability"]}
    assert asked == {"prometheus", "grafana"}
    mounted = [str(volume).partition(":")[0] for name in asked for volume in services[name]["volumes"]]
    files = [DEPLOY / name for name in mounted if name.startswith("./")]
    assert len(files) == 4
    assert all(file.exists() or file.with_name(f"{file.name}.example").exists() for file in files)
