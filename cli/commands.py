"""All commands that talk to a console, in one list."""

from __future__ import annotations

import typer

from cli import (
    audit,
    deliveries,
    doctor,
    encryption_keys,
    endpoints,
    events,
    export,
    listen,
    merchants,
    migrate,
    notifications,
    payments,
    reconcile,
    replay,
    restore,
    tail,
    tokens,
    trigger,
    verify,
)

GROUPS = {
    "merchants": merchants.app,
    "endpoints": endpoints.app,
    "payments": payments.app,
    "events": events.app,
    "deliveries": deliveries.app,
    "notifications": notifications.app,
    "replay": replay.app,
    "reconcile": reconcile.app,
    "keys": encryption_keys.app,
}
SINGLE = (
    doctor.app, tail.app, export.app, audit.app, tokens.app, trigger.app, listen.app, verify.app, restore.app,
    migrate.app,
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Adds all of them to `app`."""
    for name, group in GROUPS.items():
        app.add_typer(group, name=name)
    for single in SINGLE:
        app.add_typer(single)
