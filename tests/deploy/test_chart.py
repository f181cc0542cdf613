"""The Helm chart: what it makes fits Kubernetes' schemas, and runs the relay as it has to be run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.settings import Settings
from tests.support.processes import ROOT

CHART = ROOT / "deploy" / "helm" / "iamport-relay"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
KUBERNETES = ("1.27", "1.31", "1.37")
HELM = shutil.which("helm", path=f"{Path.home()}/go/bin:/usr/local/bin:/usr/bin:/bin") or ""
MODULES = {"receiver": "receiver", "worker": "workers", "console": "console"}

pytestmark = pytest.mark.skipif(not HELM, reason="helm is not installed: .ci/run says how")
Made = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart."""
    return subprocess.run([HELM, *arguments], cwd=CHART, capture_output=True, text=True)


@cache
def made(values: Path, version: str = KUBERNETES[0], release: str = "relay") -> list[Made]:
    """The objects that the chart makes of these values."""
    ran = helm("template", release, ".", "--kube-version", version, "--values", str(values))
    assert ran.returncode == 0, ran.stderr
    return [found for found in yaml.safe_load_all(ran.stdout) if found]


def of_kind(objects: list[Made], *kinds: str) -> dict[str, Made]:
    """The objects of these kinds, by their component."""
    return {
        found["metadata"]["labels"]["app.kubernetes.io/component"]: found for found in objects if found["kind"] in kinds
    }


def pods(objects: list[Made]) -> Iterator[tuple[str, Made]]:
    """The component and the pod of each workload."""
    for component, found in of_kind(objects, "Deployment", "StatefulSet").items():
        yield component, found["spec"]["template"]["spec"]


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.name)
def test_helm_finds_no_fault(values: Path) -> None:
    """As strictly as it can look."""
    ran = helm("lint", ".", "--strict", "--quiet", "--kube-version", KUBERNETES[0], "--values", str(values))
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.name)
def test_everything_fits_kubernetes_schemas(values: Path, version: str) -> None:
    """Each object has only fields that there are."""
    import kubernetes_validate  # two seconds, which no other file's process has to spend

    objects = made(values, version)
    assert len(objects) >= 6
    for found in objects:
        kubernetes_validate.validate(found, version, strict=True)


def test_the_secrets_are_asked_for() -> None:
    """Nothing is made without them, and a value that there is not is refused."""
    ran = helm("template", "relay", ".", "--kube-version", KUBERNETES[0])
    assert ran.returncode == 1
    assert "names the secret that has" in ran.stderr
    typo = ("--set", "recever.replicas=3")
    ran = helm("template", "relay", ".", "--kube-version", KUBERNETES[0], "--values", str(VALUES[0]), *typo)
    assert ran.returncode == 1
    assert "recever" in ran.stderr


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.name)
def test_each_process_runs_with_few_rights(values: Path) -> None:
    """Nobody's user, a root that is read-only, no capability, no token; each with the time it needs to stop."""
    found = dict(pods(made(values)))
    assert set(found) == set(MODULES)
    for component, pod in found.items():
        (container,) = pod["containers"]
        assert container["command"] == ["python", "-P", "-m", MODULES[component]]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not pod["automountServiceAccountToken"]
        assert pod["terminationGracePeriodSeconds"] > 30
        ports = {port["name"] for port in container["ports"]}
        assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe")} <= ports


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.name)
def test_its_settings_are_settings(values: Path) -> None:
    """Names and values are those that the code knows, and Kubernetes adds none of its own."""
    objects = made(values)
    config = of_kind(objects, "ConfigMap")["config"]["data"] or {}
    for _, pod in pods(objects):
        (container,) = pod["containers"]
        assert not pod["enableServiceLinks"]
        Settings.load({**config, **{one["name"]: one["value"] for one in container["env"]}})


def test_secrets_are_named_and_the_receiver_has_few() -> None:
    """The internet talks to it."""
    named = {
        component: [source["secretRef"]["name"] for source in pod["containers"][0]["envFrom"] if "secretRef" in source]
        for component, pod in pods(made(CHART / "ci/everything-values.yaml"))
    }
    assert named == {
        "receiver": ["relay-redis", "relay-receiver"],
        "worker": ["relay-redis", "relay-secrets"],
        "console": ["relay-redis", "relay-secrets"],
    }


def test_the_spool_has_a_volume_that_stays() -> None:
    """What is in it was acknowledged."""
    receiver = of_kind(made(CHART / "ci/everything-values.yaml"), "StatefulSet")["receiver"]["spec"]
    assert set(receiver["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    (claim,) = receiver["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    (container,) = receiver["template"]["spec"]["containers"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == claim["metadata"]["name"]]
    environ = {one["name"]: one["value"] for one in container["env"]}
    assert environ["RELAY_SPOOL_DIR"].startswith(mount["mountPath"] + "/")


def test_workers_scale_with_what_waits() -> None:
    """On the age of the oldest due payment and delivery, which the console serves by these names."""
    objects = made(CHART / "ci/everything-values.yaml")
    (scaler,) = of_kind(objects, "HorizontalPodAutoscaler").values()
    workers = of_kind(objects, "Deployment")["worker"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == workers["metadata"]["name"]
    assert "replicas" not in workers["spec"]
    metrics = {metric["external"]["metric"]["name"] for metric in scaler["spec"]["metrics"]}
    assert metrics == {"relay_oldest_look_seconds", "relay_oldest_delivery_seconds"}
    documented = re.findall(
        r"^\| `(relay_oldest_\w+)` \| console", (ROOT / "docs/operating.md").read_text(), re.MULTILINE
    )
    assert metrics <= set(documented)


@pytest.mark.parametrize("values", ["least-values.yaml", "everything-values.yaml"])
def test_the_console_stays_inside(values: str) -> None:
    """Nobody from outside reaches it: no ingress, and a policy that names who may."""
    objects = made(CHART / "ci" / values)
    for ingress in of_kind(objects, "Ingress").values():
        paths = [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
        assert [(path["path"], path["backend"]["service"]["name"]) for path in paths] == [
            ("/webhooks", "relay-receiver")
        ]
    policies = of_kind(objects, "NetworkPolicy")
    assert set(policies) == set(MODULES)
    (rule,) = policies["console"]["spec"]["ingress"]
    assert rule["from"]
    assert not [peer for peer in rule["from"] if "ipBlock" in peer]
    for component, policy in policies.items():
        assert policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    services = of_kind(objects, "Service")
    assert {service["spec"].get("type", "ClusterIP") for service in services.values()} == {"ClusterIP"}


def test_its_version_is_the_relays() -> None:
    """`make release` sets both."""
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
