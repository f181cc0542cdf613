"""Receives callbacks of iamport-relay and checks their signatures. Python 3.9 and newer, nothing to install.

RELAY_ENDPOINT_SECRET=whsec_… PORT=3000 python verify.py
"""

import base64
import hashlib
import hmac
import json
import os
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["RELAY_ENDPOINT_SECRET"]
TOLERANCE = 300  # seconds between the relay's clock and ours: older callbacks may be replayed ones


def verified(headers: Message, body: bytes) -> bool:
    """Whether these are headers and body (the bytes as they came, before any parsing) of a genuine callback."""
    identity = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{identity}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # While a secret is being replaced there is a signature by each. compare_digest takes the same time for all.
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected, one.encode("utf-8", "replace")) for one in given)


class Callback(BaseHTTPRequestHandler):
    """204 for a genuine callback, 401 for anything else."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if verified(self.headers, body):
            event = json.loads(body)
            self.log_message("%s %s", event["type"], event["id"])
            self.send_response(204)
        else:
            self.send_response(401)
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """No access log."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Callback).serve_forever()
