"""`python -m sandbox.subscriber`: a merchant's service that takes callbacks, checks their signatures and logs them.

It listens on port 8003 unless `PORT` says otherwise. `SUBSCRIBER_SECRETS` is `path=whsec_…,path=whsec_…`: the secrets
of the endpoint at each path. `PUT /_subscriber/secrets` with `{path: secret or [secrets]}` sets secrets while it runs.
At `/flaky` it fails once for each webhook-id, to show a retry; a test event, which is never sent again, succeeds.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

import structlog
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runtime import process
from runtime.settings import Settings
from sandbox.responses import json_response
from sandbox.serve import SETTINGS, serve
from schemas import wire
from schemas.endpoints.endpoint import TEST_TYPE
from schemas.errors import BadSetting

log = structlog.get_logger()

_KEPT = 10_000


class SandboxSubscriber:
    """The received callbacks, and the secrets to check them with, by path."""

    def __init__(self, secrets: Mapping[str, list[str]]) -> None:
        self._secrets = {path: list(of_path) for path, of_path in secrets.items()}
        self._failed_once: set[str] = set()
        self._received: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/_subscriber/secrets", self.set_secrets, methods=["PUT"]),
                Route("/_subscriber/callbacks", self.callbacks, methods=["GET", "DELETE"]),
                Route("/{path:path}", self.take, methods=["POST"]),
            ]
        )

    async def take(self, request: Request) -> Response:
        """Takes a callback: 200 if its signature is right, 401 if not, 500 the first time at `/flaky`.

        A test event succeeds at once, so that `relay doctor` does not report an endpoint with which nothing is wrong.
        """
        path, body = request.url.path, await request.body()
        event_id = request.headers.get("webhook-id", "")
        verified = self._verified(path, body, dict(request.headers))
        status_code = 200 if verified else 401
        event = _event(body)
        is_new = event_id not in self._failed_once and event.get("type") != TEST_TYPE
        if verified and path.startswith("/flaky") and is_new:
            self._failed_once.add(event_id)
            status_code = 500
        data = event.get("data") if isinstance(event.get("data"), dict) else {}
        seen = {
            "path": path,
            "id": event_id,
            "type": event.get("type"),
            "imp_uid": (data or {}).get("imp_uid"),
            "sequence": (data or {}).get("sequence"),
            "verified": verified,
            "status_code": status_code,
        }
        self._received.append({**seen, "body": event})
        log.info("callback_received", **seen)
        return Response(status_code=status_code)

    async def set_secrets(self, request: Request) -> Response:
        """`PUT {path: secret or [secrets]}`; a path that is not named keeps its secrets."""
        try:
            given = wire.loads(await request.body())
        except ValueError:
            given = None
        if not isinstance(given, dict):
            return json_response({"title": "takes a JSON object of paths and secrets"}, 422)
        for path, secrets in given.items():
            of_path = [secrets] if isinstance(secrets, str) else secrets
            if not isinstance(of_path, list) or not all(isinstance(secret, str) for secret in of_path):
                return json_response({"title": f"{path}: takes a secret or a list of them"}, 422)
            self._secrets[path] = of_path
        return Response(status_code=204)

    async def callbacks(self, request: Request) -> Response:
        """`GET`: the received callbacks, oldest first; `DELETE` clears them."""
        received = list(self._received)
        if request.method == "DELETE":
            self._received.clear()
        return json_response({"count": len(received), "callbacks": received})

    def _verified(self, path: str, body: bytes, headers: dict[str, str]) -> bool:
        for secret in self._secrets.get(path, ()):
            try:
                Webhook(secret).verify(body, headers, json_parse=False)
            except (WebhookVerificationError, EmptyWebhookSecretError, ValueError):
                continue
            return True
        return False


def secrets_of(text: str) -> dict[str, list[str]]:
    """The secrets in ``path=whsec_…,path=whsec_…``; a path may come twice. Raises `BadSetting`."""
    secrets: dict[str, list[str]] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        path, separator, secret = pair.partition("=")
        if not separator or not path.startswith("/") or not secret:
            raise BadSetting("SUBSCRIBER_SECRETS: takes path=whsec_… pairs, separated by commas")
        secrets.setdefault(path, []).append(secret)
    return secrets


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = wire.loads(body)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def main() -> int:
    """Run the subscriber; return its exit status."""
    return process.run(take_callbacks, only=SETTINGS)


def take_callbacks(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status. Raises `BadSetting`."""
    secrets = secrets_of(os.environ.get("SUBSCRIBER_SECRETS", ""))
    return serve(SandboxSubscriber(secrets).app(), settings.port or 8003)


if __name__ == "__main__":
    sys.exit(main())
