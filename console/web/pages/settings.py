"""The settings that this console runs with; of secrets it shows only whether they are set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from console.operations.read_stats import read_durability
from console.operations.token_uses import list_tokens
from console.web.visit import PageResult, PageRoute, View, Visit
from runtime import setting_values
from runtime.settings import Settings
from schemas.durations import format_duration

_SECRET = ("imp_key", "imp_secret", "api_tokens", "encryption_keys")
_GROUPS = {
    "ledger": ("redis_url", "given_queue_url", "require_durable", "replica_acks", "ledger_retention", "spool_dir"),
    "history": ("history_url", "retention"),
    "iamport": (
        "imp_api_url", "iamport_proxy", "imp_key", "imp_secret", "fetch_schedule",
        "unknown_schedule", "pending_schedule", "expiry_grace", "reconcile_every", "lookback",
    ),
    "intake": ("allowed_ips", "trusted_proxies"),
    "delivery": (
        "retry_schedule", "delivery_timeout", "disable_after", "allow_private_endpoints", "allowed_endpoint_networks",
    ),
    "console": (
        "api_tokens", "encryption_keys", "host", "port", "console_url", "metrics_port", "log_format", "log_level",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable: its value in words (None if it is not set), and whether it was given or is the default."""

    name: str
    value: str | None
    takes: str
    given: bool


async def settings(visit: Visit) -> PageResult:
    """Every setting by subject, those without a subject last; then the tokens."""
    current = visit.context.settings
    listed = {name for names in _GROUPS.values() for name in names}
    others = tuple(name for name in Settings.model_fields if name not in listed)
    groups = {**_GROUPS, **({"others": others} if others else {})}
    shown = {group: [_setting(current, name) for name in names] for group, names in groups.items()}
    durability = await read_durability(visit.context)
    tokens = await list_tokens(visit.context, read_only=visit.read_only)
    return View("settings", {"groups": shown, "durability": durability, "tokens": tokens})


def _setting(current: Settings, name: str) -> Setting:
    field, value = Settings.model_fields[name], getattr(current, name)
    alias = field.alias or name
    shown = _hidden(value) if name in _SECRET else _text(alias, name, value)
    return Setting(alias, shown, field.description or "", name in current.model_fields_set)


def _hidden(value: Any) -> str | None:
    if not value:
        return None
    return "••• ×" + str(len(value)) if isinstance(value, tuple) else "•••"


def _text(alias: str, name: str, value: Any) -> str | None:
    if name == "iamport_proxy" and value is not None:
        return setting_values.shown(alias, value.get_secret_value())
    if value is None or isinstance(value, SecretStr):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format_duration(value)
    if isinstance(value, tuple):
        parts = [format_duration(part) if isinstance(part, float) else str(part) for part in value]
        return ", ".join(parts) or None
    if name.endswith("_url"):
        # A password can also be an option behind the `?`.
        address, question, _ = str(value).partition("?")
        return setting_values.shown(alias, address) + (question and "?…")
    return str(value)


PAGES = (PageRoute("/settings", settings),)
