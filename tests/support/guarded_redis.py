"""A Redis and its Sentinel that ask for passwords, speak TLS and listen at IPv6 addresses, as hosted ones do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from cli.embedded import find_server
from tests.support.certificates import Authority
from tests.support.redis_process import RedisProcess, open_ledger
from tests.support.waiting import until_now

SERVICE = "ledger"
PASSWORD, SENTINEL_PASSWORD = "p@ss:/word", "w@tch,er"


@dataclass(frozen=True)
class Guard:
    """What is asked of a client. ``users``: by name, not as the one who has no name."""

    passwords: bool = False
    users: bool = False
    host: str = "127.0.0.1"
    tls: bool = False
    client_certificates: bool = False
    cluster: bool = False


class Guarded:
    """Both servers; ``authority`` has signed what they show."""

    def __init__(self, guard: Guard, folder: Path, free_port: Callable[[], int]) -> None:
        folder.mkdir()
        self.guard = guard
        self.authority = Authority(folder)
        self.certificate = self.authority.certificate()
        self.port, self.sentinel_port = free_port(), free_port()
        self._folder = folder
        self._redis = RedisProcess(folder, "redis")
        self._sentinel = RedisProcess(folder, "sentinel")

    def start(self) -> None:
        """Start both, and wait until the Sentinel knows the primary."""
        self._redis.configure(self._redis_lines())
        self._until(self.admin().ping, "Redis answers")
        if self.guard.cluster:
            self.admin().execute_command("CLUSTER ADDSLOTS", *range(16384))
            self._until(lambda: self.admin().cluster("INFO")["cluster_state"] == "ok", "its Cluster is whole")
            open_ledger(self.admin())
            return
        open_ledger(self.admin())
        self._sentinel.configure(self._sentinel_lines(), "--sentinel")
        self._until(self._is_watched, "the Sentinel sees the primary")

    def stop(self) -> None:
        """End both."""
        self._redis.kill()
        self._sentinel.kill()

    def admin(self, **options: Any) -> redis.Redis:
        """A client that may do everything."""
        usual = {"host": self.guard.host, "port": self.port, "socket_timeout": 5}
        return redis.Redis(**{**usual, **self._tls_options(), **self._sign_in(PASSWORD), **options})

    def url(self, kind: str, database: int = 0) -> str:
        """How the relay reaches it: ``redis``, ``redis+sentinel`` or ``redis+cluster``."""
        guard = self.guard
        host = f"[{guard.host}]" if ":" in guard.host else guard.host
        scheme = kind.replace("redis", "rediss") if guard.tls else kind
        user = f"{'relay' if guard.users else ''}:{quote(PASSWORD, safe='')}@" if guard.passwords else ""
        options: dict[str, str] = {}
        if guard.tls:
            options["ssl_ca_certs"] = str(self.authority.cafile)
        if guard.client_certificates:
            options["ssl_certfile"] = str(self.certificate)
        if kind != "redis+sentinel":
            path = "" if kind == "redis+cluster" else f"/{database}"
            return f"{scheme}://{user}{host}:{self.port}{path}" + _query(options)
        if guard.passwords:
            options["sentinel_password"] = SENTINEL_PASSWORD
        if guard.users:
            options["sentinel_username"] = "relay"
        dead = f"{host}:1"
        return f"{scheme}://{user}{dead},{host}:{self.sentinel_port}/{SERVICE}/{database}" + _query(options)

    def _redis_lines(self) -> list[str]:
        lines = [f"dir {self._folder}", "appendonly yes", "appendfsync always", "save ''", *self._listen(self.port)]
        lines += self._users(PASSWORD)
        if self.guard.cluster:
            lines.append("cluster-enabled yes")
        return lines

    def _sentinel_lines(self) -> list[str]:
        guard = self.guard
        lines = [f"dir {self._folder}", *self._listen(self.sentinel_port), *self._users(SENTINEL_PASSWORD)]
        lines.append(f"sentinel monitor {SERVICE} {guard.host} {self.port} 1")
        if guard.passwords:
            lines.append(f'sentinel auth-pass {SERVICE} "{PASSWORD}"')
        if guard.users:
            lines.append(f"sentinel auth-user {SERVICE} relay")
        return lines

    def _listen(self, port: int) -> list[str]:
        if not self.guard.tls:
            return [f"bind {self.guard.host}", f"port {port}"]
        return [
            f"bind {self.guard.host}", "port 0", f"tls-port {port}", "tls-replication yes",
            f"tls-cert-file {self.certificate}", f"tls-key-file {self.certificate}",
            f"tls-ca-cert-file {self.authority.cafile}",
            f"tls-auth-clients {'yes' if self.guard.client_certificates else 'no'}",
            *(["tls-cluster yes"] if self.guard.cluster else []),
        ]  # fmt: skip

    def _users(self, password: str) -> list[str]:
        if self.guard.users:
            return ["user default off", f'user relay on ">{password}" ~* &* +@all']
        return [f'requirepass "{password}"'] if self.guard.passwords else []

    def _sign_in(self, password: str) -> dict[str, str]:
        if not self.guard.passwords:
            return {}
        return {"password": password, **({"username": "relay"} if self.guard.users else {})}

    def _tls_options(self) -> dict[str, Any]:
        if not self.guard.tls:
            return {}
        trusted = {"ssl": True, "ssl_ca_certs": str(self.authority.cafile)}
        return {**trusted, "ssl_certfile": str(self.certificate)} if self.guard.client_certificates else trusted

    def _is_watched(self) -> bool:
        options = {"port": self.sentinel_port, **self._sign_in(SENTINEL_PASSWORD)}
        with self.admin(**options) as sentinel:
            return str(sentinel.sentinel_master(SERVICE)["flags"]) == "master"

    def _until(self, holds: Callable[[], object], what: str) -> None:
        until_now(holds, lambda: f"{what}: {self._redis.log}", despite=(redis.ConnectionError,))


def speaks_tls() -> bool:
    """Whether the redis-server of this machine was built with TLS."""
    said = subprocess.run(
        [find_server(), "--port", "0", "--tls-auth-clients", "nonsense"], capture_output=True, text=True, timeout=10
    ).stderr
    return "Bad directive" not in said


def _query(options: dict[str, str]) -> str:
    return "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items()) if options else ""
