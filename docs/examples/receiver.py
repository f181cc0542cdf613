"""Receives callbacks of iamport-relay and acts on each fact once, in order, also when callbacks come twice or late.

pip install standardwebhooks
RELAY_ENDPOINT_SECRET=whsec_… PORT=3000 python receiver.py
"""

import os
import sqlite3
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(os.environ["RELAY_ENDPOINT_SECRET"])
SCHEMA = """
CREATE TABLE IF NOT EXISTS done (event TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS payments (imp_uid TEXT PRIMARY KEY, merchant_uid TEXT, status TEXT, sequence INTEGER);
"""


def take(database: sqlite3.Connection, event: dict[str, Any]) -> str:
    """Act on an event, in one transaction with the note that it was done; what became of it."""
    with database:
        if not database.execute("INSERT OR IGNORE INTO done VALUES (?)", [event["id"]]).rowcount:
            return "done before"
        if not event["type"].startswith("payment."):
            return "nothing to do"
        data = event["data"]
        row = [data["imp_uid"], data["merchant_uid"], data["status"], data["sequence"]]
        newer = database.execute(
            "INSERT INTO payments VALUES (?, ?, ?, ?) ON CONFLICT (imp_uid) DO UPDATE"
            " SET status = excluded.status, sequence = excluded.sequence WHERE excluded.sequence > sequence",
            row,
        ).rowcount
        # What has to happen once per fact (ship, mail, book) goes here, or into a table of jobs, for another process.
        return "done" if newer else "noted, but a later one was here first"


class Callback(BaseHTTPRequestHandler):
    """2xx only when it is done: everything else is sent again."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            event = WEBHOOK.verify(body, {name.lower(): value for name, value in self.headers.items()})
        except (WebhookVerificationError, ValueError, OverflowError):
            self.send_response(401)
        else:
            outcome = take(DATABASE, event)
            self.log_message("%s of %s: %s", event["type"], event["data"].get("imp_uid"), outcome)
            self.send_response(204)
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """No access log."""


if __name__ == "__main__":
    DATABASE = sqlite3.connect(os.environ.get("DATABASE", "callbacks.sqlite"))
    DATABASE.executescript(SCHEMA)
    HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Callback).serve_forever()
