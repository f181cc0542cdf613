"""nginx in front of the receiver: webhooks pass with the address they come from, nothing else does."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import receivers
from tests.support.certificates import Authority
from tests.support.processes import ROOT, Processes
from tests.support.receivers import Receiver

SITE = ROOT / "deploy" / "nginx" / "iamport-relay"
IAMPORT, ANOTHER = "52.78.100.19", "203.0.113.7"
WEBHOOK = {"imp_uid": "imp_448280090638", "merchant_uid": "order_1", "status": "paid"}
# What Debian's nginx.conf sets and this site leaves alone. All clients of a test are on this machine, and each says
# which address it stands for.
CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log stderr; {user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    set_real_ip_from 127.0.0.1; real_ip_header X-Stands-For;
    include {folder}/site;
}}
"""


@pytest.fixture
async def receiver(processes: Processes, free_port: Callable[[], int], redis_url: str) -> Receiver:
    """A receiver as the units start it."""
    settings = dict(
        line.split("=", 1)
        for line in (ROOT / "deploy/systemd/env/receiver.env").read_text().splitlines()
        if not line.startswith("#")
    )
    assert settings.pop("HOST") == "127.0.0.1"
    return await receivers.start(processes, free_port(), redis_url, **settings)


def configured(folder: Path, ports: Iterator[int], receiver: int, certificate: Path) -> tuple[str, int]:
    """A configuration with our site at free ports, and the port for TLS."""
    tls, plain = next(ports), next(ports)
    site = SITE.read_text()
    for usual, here in {
        "/etc/iamport-relay/tls/fullchain.pem": str(certificate),
        "/etc/iamport-relay/tls/privkey.pem": str(certificate),
        "127.0.0.1:8000": f"127.0.0.1:{receiver}",
        "listen 443": f"listen 127.0.0.1:{tls}",
        "listen [::]:443": f"listen [::1]:{tls}",
        "listen 80": f"listen 127.0.0.1:{plain}",
        "listen [::]:80": f"listen [::1]:{plain}",
    }.items():
        assert usual in site
        site = site.replace(usual, here)
    (folder / "site").write_text(site)
    user = "user root;" if os.geteuid() == 0 else ""  # the folder is for its owner only
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, user=user))
    return str(folder / "nginx.conf"), tls


@pytest.fixture
async def public(
    receiver: Receiver, processes: Processes, free_port: Callable[[], int], tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """The internet's view of it: nginx with our site, checked by `nginx -t`."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed: apt install nginx-light runs these tests, too")
    authority = Authority(tmp_path)
    ports = iter(free_port, 0)
    configuration, port = configured(tmp_path, ports, receiver.port, authority.certificate())
    checking = processes.run("nginx -t", [nginx, "-t", "-q", "-c", configuration])
    assert (await checking.ended(), checking.output) == (0, "")
    await processes.run("nginx", [nginx, "-c", configuration]).listening(port)
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=authority.client()) as client:
        yield client


async def test_only_webhooks_of_the_right_source_pass(public: httpx.AsyncClient, receiver: Receiver) -> None:
    """One request after another, as they come from the internet."""

    async def status(method: str, path: str, source: str = IAMPORT, **more: str) -> int:
        headers = {"x-stands-for": source, **more}
        json = WEBHOOK if method == "POST" else None
        return (await public.request(method, path, json=json, headers=headers)).status_code

    assert await status("POST", "/webhooks") == 200
    assert await status("POST", "/webhooks/default") == 200
    assert await status("POST", "/webhooks", ANOTHER) == 403
    assert await status("POST", "/webhooks", ANOTHER, **{"x-forwarded-for": IAMPORT}) == 403
    for path in (
        "/metrics",
        "/livez",
        "/readyz",
        "/v1/payments",
        "/",
        "/webhooksx",
        "/webhooks/../metrics",
        "//metrics",
    ):
        assert await status("GET", path) == 404, path
    assert await receiver.metric('relay_webhooks_accepted_total{place="redis"}') == 2


async def test_large_bodies(public: httpx.AsyncClient, receiver: Receiver) -> None:
    """What is somewhat too large is refused and counted by the receiver; what is far too large does not reach it."""

    async def posted(size: int) -> httpx.Response:
        headers = {"x-stands-for": IAMPORT, "content-type": "application/json"}
        return await public.post("/webhooks", content=b" " * size, headers=headers)

    somewhat = await posted(100 * 1024)
    assert (somewhat.status_code, somewhat.headers["content-type"]) == (413, "application/problem+json")
    far = await posted(200 * 1024)
    assert (far.status_code, far.headers["content-type"]) == (413, "text/html")
    assert await receiver.metric('relay_webhooks_refused_total{merchant="default",status="413"}') == 1
