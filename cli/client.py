"""The client of the operator API: finds the console and the token, and turns errors into one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import typer

from cli.failure import CommandFailed
from cli.output import printable
from runtime.settings import Settings
from schemas import wire
from schemas.errors import BadSetting, RelayError

LOCAL_RELAY = Path("var/relay.json")
"""The file that a running `relay up` writes: `console_url`, `token` and `sandbox_url`."""
TIMEOUT = 40.0
"""Seconds to wait for an answer. The test of an endpoint takes as long as the endpoint needs."""


NO_PROXY: Mapping[str, None] = {f"all://{host}": None for host in ("127.0.0.1", "[::1]", "localhost")}
"""Connections to this machine ignore HTTP_PROXY: a proxy would look for the address on its own machine."""


def http_client(url: str, **options: Any) -> httpx.Client:
    """A client of the server at this URL. The certificates that this machine trusts take 20 ms to read: only a server
    without TLS gets by without them."""
    needs_certificates = not url.lower().startswith("http://")
    return httpx.Client(base_url=url, mounts=NO_PROXY, verify=needs_certificates, **options)


class CallFailed(CommandFailed):
    """A call failed; `status` is the status code of the answer, None if there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class RelayLocation:
    """Where a relay's console and sandbox are, and the token for the operator API."""

    console_url: str
    token: str | None = field(repr=False)
    sandbox_url: str | None = None

    @classmethod
    def find(cls, environ: Mapping[str, str], running: Path = LOCAL_RELAY) -> RelayLocation:
        """The location in the environment; missing parts come from a `relay up` that runs in this directory.

        Raises `BadSetting`.
        """
        local = _read_local_relay(running)
        settings = Settings.load(environ, only=("RELAY_CONSOLE_URL", "RELAY_API_TOKEN", "IMP_API_URL"))
        is_set = "console_url" in settings.model_fields_set
        return cls(
            console_url=settings.console_url if is_set else local.get("console_url", settings.console_url),
            # The token of a local console is never sent to a console named in the environment.
            token=strongest_token(settings) or (None if is_set else local.get("token")),
            sandbox_url=settings.imp_api_url
            if "imp_api_url" in settings.model_fields_set
            else local.get("sandbox_url"),
        )


class RelayClient:
    """The operator API of one console."""

    def __init__(self, location: RelayLocation) -> None:
        headers = {"user-agent": "relay"} | ({"authorization": f"Bearer {location.token}"} if location.token else {})
        self.location = location
        self._client = http_client(location.console_url, headers=headers, timeout=TIMEOUT)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer to one call, None if it has no body. Parameters that are None are left out.

        Raises `CallFailed`.
        """
        answer = self.send(
            method,
            path,
            params={name: value for name, value in query.items() if value is not None},
            content=None if body is None else wire.dumps(body),
            headers={"content-type": "application/json"},
        )
        if answer.status_code >= 400:
            raise CallFailed(_problem_text(answer), answer.status_code)
        return wire.loads(answer.content) if answer.content else None

    def all(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All rows of a list, page by page. Raises `CallFailed`."""
        cursor: str | None = None
        while True:
            page = self.call("GET", path, limit=200, cursor=cursor, **query)
            yield from page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request. Raises `CallFailed` if no answer comes."""
        try:
            return self._client.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CallFailed(f"the console at {self.location.console_url} does not answer: {error}") from None

    @contextmanager
    def stream(self, path: str, **query: Any) -> Iterator[httpx.Response]:
        """The answer to a GET, to be read piece by piece. Parameters that are None are left out.

        Raises `CallFailed`, also while the answer is read: an answer that breaks off counts as none.
        """
        params = {name: value for name, value in query.items() if value is not None}
        try:
            with self._client.stream("GET", path, params=params) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise CallFailed(_problem_text(answer), answer.status_code)
                yield answer
        except httpx.RemoteProtocolError:
            raise CallFailed("the answer broke off before its end; the console's log says why") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CallFailed(f"the console at {self.location.console_url} does not answer: {error}") from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


@contextmanager
def console() -> Iterator[RelayClient]:
    """The client of the console in the environment. An error ends the command with one line and exit status 1."""
    with exit_on_error():
        api = RelayClient(RelayLocation.find(os.environ))
        try:
            yield api
        finally:
            api.close()


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Ends the command with one line and exit status 1 if the relay or the command raises an error."""
    try:
        yield
    except (CommandFailed, BadSetting, RelayError) as error:
        print(printable(f"relay: {error}"), file=sys.stderr)
        raise typer.Exit(1) from None


def strongest_token(settings: Settings) -> str:
    """The operator API's token with the most rights; "" without any."""
    order = ("write", "read", "metrics")
    token = min(settings.api_tokens, key=lambda token: order.index(token.rights), default=None)
    return token.value.get_secret_value() if token else ""


def succeeded(attempt: Mapping[str, Any]) -> bool:
    """Whether an attempt, as the operator API shows it, was answered with a 2xx."""
    return attempt.get("error") is None and 200 <= (attempt.get("status_code") or 0) < 300


def path_part(text: str) -> str:
    """The text, percent-encoded as one part of a path."""
    return quote(text, safe="")


def _read_local_relay(path: Path) -> dict[str, str]:
    try:
        found = wire.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _problem_text(answer: httpx.Response) -> str:
    """The text of a problem, with every wrong field."""
    try:
        problem = wire.loads(answer.content)
        detail = str(problem["detail"])
        errors = [f"{error['field']}: {error['message']}" for error in problem.get("errors") or ()]
    except (ValueError, KeyError, TypeError):
        return f"the console answered {answer.status_code}"
    if answer.status_code == 401:
        detail = f"{detail}: set RELAY_API_TOKEN to one of the console's"
    return "; ".join(errors) or detail
