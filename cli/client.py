"""Talking to the console: where it is, who is asking, and what went wrong in words."""

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

from cli.output import plain
from runtime.settings import Settings
from schemas import wire
from schemas.errors import BadSetting, RelayError

RUNNING = Path("var/relay.json")
"""Written by a running `relay up`: `console_url`, `token` and `sandbox_url`."""
ANSWERS_WITHIN = 40.0
"""Seconds for an answer: testing an endpoint waits for it."""


NO_PROXY: Mapping[str, None] = {f"all://{host}": None for host in ("127.0.0.1", "[::1]", "localhost")}
"""What is on this machine is asked directly, whatever HTTP_PROXY says: a proxy would look for it on its own."""


class Failed(RelayError):
    """The console said no, or nothing; `status` is that of its answer, None where there was none."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Place:
    """Where a relay is, and with which token it is asked."""

    console_url: str
    token: str | None = field(repr=False)
    sandbox_url: str | None = None

    @classmethod
    def find(cls, environ: Mapping[str, str], running: Path = RUNNING) -> Place:
        """What the environment says; what it leaves open, a `relay up` that runs in this directory.

        Raises `BadSetting`.
        """
        local = _running(running)
        settings = Settings.load(environ, only=("RELAY_CONSOLE_URL", "RELAY_API_TOKEN", "IMP_API_URL"))
        is_set = "console_url" in settings.model_fields_set
        return cls(
            console_url=settings.console_url if is_set else local.get("console_url", settings.console_url),
            # A local token is for the local console only, never sent to one that was named.
            token=token_of(settings) or (None if is_set else local.get("token")),
            sandbox_url=settings.imp_api_url
            if "imp_api_url" in settings.model_fields_set
            else local.get("sandbox_url"),
        )


class RelayClient:
    """The operator API of one console."""

    def __init__(self, place: Place) -> None:
        headers = {"user-agent": "relay"} | ({"authorization": f"Bearer {place.token}"} if place.token else {})
        self.place = place
        self._client = httpx.Client(
            base_url=place.console_url, headers=headers, timeout=ANSWERS_WITHIN, mounts=NO_PROXY
        )

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer of one call, None where it has no body; parameters that are None are left out.

        Raises `Failed`.
        """
        answer = self.send(
            method,
            path,
            params={name: value for name, value in query.items() if value is not None},
            content=None if body is None else wire.dumps(body),
            headers={"content-type": "application/json"},
        )
        if answer.status_code >= 400:
            raise Failed(_said(answer), answer.status_code)
        return wire.loads(answer.content) if answer.content else None

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request. Raises `Failed` where no answer comes."""
        try:
            return self._client.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Failed(f"the console at {self.place.console_url} does not answer: {error}") from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


@contextmanager
def console() -> Iterator[RelayClient]:
    """The console of the environment; whatever fails inside ends the command with exit status 1 and one line."""
    with failing():
        api = RelayClient(Place.find(os.environ))
        try:
            yield api
        finally:
            api.close()


@contextmanager
def failing() -> Iterator[None]:
    """Ends the command with exit status 1 and one line for whatever the relay raises on purpose."""
    try:
        yield
    except (RelayError, BadSetting) as error:
        print(plain(f"relay: {error}"), file=sys.stderr)
        raise typer.Exit(1) from None


def token_of(settings: Settings) -> str:
    """The token of the operator API that may do most; "" where there is none."""
    most = ("write", "read", "metrics")
    token = min(settings.api_tokens, key=lambda token: most.index(token.rights), default=None)
    return token.value.get_secret_value() if token else ""


def succeeded(attempt: Mapping[str, Any]) -> bool:
    """Whether an endpoint has taken an attempt, as the console shows it; one that nobody has made was not taken."""
    return attempt.get("error") is None and 200 <= (attempt.get("status_code") or 0) < 300


def part(text: str) -> str:
    """A part of a path."""
    return quote(text, safe="")


def _running(path: Path) -> dict[str, str]:
    try:
        found = wire.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _said(answer: httpx.Response) -> str:
    """A problem in words, with every wrong field."""
    try:
        problem = wire.loads(answer.content)
        detail = str(problem["detail"])
        errors = [f"{error['field']}: {error['message']}" for error in problem.get("errors") or ()]
    except (ValueError, KeyError, TypeError):
        return f"the console answered {answer.status_code}"
    if answer.status_code == 401:
        detail = f"{detail}: set RELAY_API_TOKEN to one of the console's"
    return "; ".join(errors) or detail
