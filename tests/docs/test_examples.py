"""The examples of docs/callbacks.md: real callbacks get through, nothing else does."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.docs.conftest import RelayUp
from tests.support.processes import ROOT, Process, Processes, clean_environ
from tests.support.waiting import PATIENCE, until_now

EXAMPLES = ROOT / "docs" / "examples"
COMMANDS = {
    "verify.py": ([sys.executable], sys.executable),
    "verify.mjs": (["node"], "node"),
    "Verify.java": (["java"], "java"),
    "verify.php": (["php", "-S", "127.0.0.1:{port}"], "php"),
    "receiver.py": ([sys.executable], sys.executable),
}
OTHER_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"id": "evt_1", "type": "relay.test", "data": {"name": "홍길동"}}, ensure_ascii=False).encode()


class Running(NamedTuple):
    """An example that listens, and its endpoint."""

    process: Process
    client: httpx.Client
    url: str
    endpoint: dict[str, Any]

    def post(self, headers: dict[str, str], body: bytes) -> int:
        """The status of its answer."""
        return self.client.post(self.url, headers=headers, content=body).status_code


def test_every_example_is_known_here() -> None:
    """No file in docs/examples/ goes unrun, and docs/callbacks.md points to each."""
    names = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert names == set(COMMANDS)
    page = (ROOT / "docs" / "callbacks.md").read_text()
    assert [name for name in names if f"examples/{name}" not in page] == []


@pytest.fixture(scope="module", params=list(COMMANDS))
def running(
    request: pytest.FixtureRequest,
    relay_up: RelayUp,
    tmp_path_factory: pytest.TempPathFactory,
    free_port: Callable[[], int],
) -> Iterator[Running]:
    """One example as a process, subscribed to everything."""
    name: str = request.param
    command, program = COMMANDS[name]
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} on this machine to run docs/examples/{name} with")
    port = free_port()
    url = f"http://127.0.0.1:{port}/callbacks"
    endpoint = relay_up.endpoint(url, types=["*"])
    processes = Processes(tmp_path_factory.mktemp("example"), clean_environ())
    try:
        arguments = [part.format(port=port) for part in command]
        environ = {"RELAY_ENDPOINT_SECRET": endpoint["secret"], "PORT": str(port)}
        process = processes.run(name, [*arguments, str(EXAMPLES / name)], **environ)
        with httpx.Client(timeout=PATIENCE) as client:
            until_now(lambda: _listens(client, url), f"{name} listens: {process.output}")
            yield Running(process, client, url, endpoint)
    finally:
        relay_up.delete(endpoint["id"])
        processes.end()


def test_real_callbacks_get_through(running: Running, relay_up: RelayUp) -> None:
    """What the relay sends is taken, a test event too."""
    tested = relay_up.api.post(f"/v1/endpoints/{running.endpoint['id']}/test").json()
    assert (tested["status_code"], tested["error"]) == (204, None)
    imp_uid = relay_up.play("card")
    event = until_now(lambda: relay_up.get("/v1/events", imp_uid=imp_uid)["data"], "the event is recorded")[0]["id"]
    delivery = f"/v1/deliveries/{event}.{running.endpoint['id']}"
    until_now(lambda: relay_up.get(delivery)["state"] == "delivered", "it is delivered")
    assert [attempt["status_code"] for attempt in relay_up.get(delivery)["attempts"]] == [204]


def test_forged_callbacks_do_not(running: Running) -> None:
    """A changed body, another secret, an old or a strange time, no signature or a strange one: 401 for all."""
    good = _signed(running.endpoint["secret"])
    assert running.post(good, BODY) == 204
    forged = [
        (good, BODY + b" "),
        (good | {"webhook-id": "evt_2"}, BODY),
        (_signed(OTHER_SECRET), BODY),
        (_signed(running.endpoint["secret"], time.time() - 400), BODY),
        (_signed(running.endpoint["secret"], time.time() + 400), BODY),
        (good | {"webhook-timestamp": "soon"}, BODY),
        (good | {"webhook-timestamp": "-1"}, BODY),
        (good | {"webhook-timestamp": "9" * 40}, BODY),
        (good | {"webhook-signature": "v1,"}, BODY),
        (good | {"webhook-signature": "v1,%%%"}, BODY),
        (good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v2,")}, BODY),
        ({}, BODY),
        ({}, b""),
    ]
    assert [running.post(headers, body) for headers, body in forged] == [401] * len(forged)


def test_one_of_two_signatures_is_enough(running: Running) -> None:
    """While a secret is replaced there are two, in any order."""
    good, other = _signed(running.endpoint["secret"]), _signed(OTHER_SECRET)
    pair = [good["webhook-signature"], other["webhook-signature"]]
    for signatures in (pair, pair[::-1]):
        assert running.post(good | {"webhook-signature": " ".join(signatures)}, BODY) == 204


@pytest.mark.parametrize("running", ["receiver.py"], indirect=True)
def test_the_receiver_does_things_once_and_in_order(running: Running) -> None:
    """A repeat is done before, and a late event does not overwrite a newer one."""

    def send(number: int, status: str) -> None:
        data = {"imp_uid": "imp_1", "merchant_uid": "order", "status": status, "sequence": number}
        body = json.dumps({"id": f"evt_s{number}", "type": f"payment.{status}", "data": data}).encode()
        assert running.post(_signed(running.endpoint["secret"], event=f"evt_s{number}", body=body), body) == 204

    send(2, "cancelled")
    send(2, "cancelled")
    send(1, "paid")
    until_now(lambda: len(_said(running)) >= 3, "all three are done")
    assert _said(running) == ["done", "done before", "noted, but a later one was here first"]


def test_the_examples_name_what_they_need() -> None:
    """Each says at its top how it is run."""
    for name in COMMANDS:
        head = (EXAMPLES / name).read_text()[:400]
        assert "RELAY_ENDPOINT_SECRET=whsec_… " in head, name
        assert Path(name).name in head


def _said(running: Running) -> list[str]:
    return [line.partition("imp_1: ")[2] for line in running.process.lines if "imp_1: " in line]


def _signed(secret: str, at: float | None = None, *, event: str = "evt_1", body: bytes = BODY) -> dict[str, str]:
    moment = int(time.time() if at is None else at)
    signature = Webhook(secret).sign(event, datetime.fromtimestamp(moment, UTC), body.decode())
    return {
        "webhook-id": event,
        "webhook-timestamp": str(moment),
        "webhook-signature": signature,
        "content-type": "application/json",
    }


def _listens(client: httpx.Client, url: str) -> bool:
    try:
        client.post(url, content=b"")
    except httpx.TransportError:
        return False
    return True
