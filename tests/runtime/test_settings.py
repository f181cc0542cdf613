"""Settings: every variable of the environment, its default, and the one line a bad value gives."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from runtime.machine import usable_cores
from runtime.redis_url import parse
from runtime.settings import Settings
from schemas.errors import BadSetting

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def refusal(variable: str, value: str) -> str:
    """The line that this value of this variable gives."""
    with pytest.raises(BadSetting) as caught:
        Settings.load({variable: value})
    return str(caught.value)


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    """Nothing has to be set to read the settings."""
    settings = Settings.load({})
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.queue_url == "redis://127.0.0.1:6379/1"
    assert settings.imp_api_url == "https://api.iamport.kr"
    assert list(settings.retry_schedule) == [5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200, 86400, 86400]
    assert list(settings.fetch_schedule) == [1, 5, 15, 60, 300, 900, 3600]
    assert list(settings.unknown_schedule) == [2, 10, 30]
    assert list(settings.pending_schedule) == [60, 300, 900, 3600, 21600]
    assert (settings.expiry_grace, settings.delivery_timeout, settings.disable_after) == (600, 15, 432000)
    assert (settings.reconcile_every, settings.retention, settings.lookback) == (900, 1830 * 86400, 2592000)
    assert settings.spool_dir == Path("var/spool")
    assert (settings.require_durable, settings.replica_acks, settings.allow_private_endpoints) == (False, 0, False)
    assert settings.workers == usable_cores() >= 1
    assert (settings.log_format, settings.log_level) == ("json", "info")
    assert (settings.api_tokens, settings.encryption_keys, settings.allowed_ips) == ((), (), ())
    assert (settings.host, settings.port, settings.console_url) == (None, None, "http://127.0.0.1:8001")


def test_every_variable_can_be_set() -> None:
    """Each documented variable reaches its field."""
    settings = Settings.load(
        {
            "REDIS_URL": "redis://:pw@db:6380/3",
            "RELAY_QUEUE_URL": "redis://queue:6379/0",
            "IMP_API_URL": "http://127.0.0.1:9000/",
            "IMP_KEY": "imp_apikey",
            "IMP_SECRET": "very secret",
            "RELAY_API_TOKEN": "alpha, ro:beta, metrics:gamma, alice:delta, bob:ro:epsilon",
            "RELAY_ENCRYPTION_KEY": f"{KEY},{KEY}",
            "RELAY_ALLOWED_IPS": "52.78.100.19,10.8.1.2/16,::1",
            "RELAY_TRUSTED_PROXIES": "127.0.0.1",
            "RELAY_ALLOW_PRIVATE_ENDPOINTS": "TRUE",
            "RELAY_ALLOWED_ENDPOINT_NETWORKS": "10.8.0.0/16",
            "RELAY_RETRY_SCHEDULE": "200ms, 1s",
            "RELAY_FETCH_SCHEDULE": "1s",
            "RELAY_UNKNOWN_SCHEDULE": "2s",
            "RELAY_PENDING_SCHEDULE": "3s",
            "RELAY_EXPIRY_GRACE": "0s",
            "RELAY_DELIVERY_TIMEOUT": "4s",
            "RELAY_DISABLE_AFTER": "1d",
            "RELAY_RECONCILE_EVERY": "0",
            "RELAY_RETENTION": "90d",
            "RELAY_LOOKBACK": "7d",
            "RELAY_SPOOL_DIR": "/data/spool",
            "RELAY_REQUIRE_DURABLE": "1",
            "RELAY_REPLICA_ACKS": "2",
            "RELAY_CELLS": "4",
            "RELAY_WORKERS": "3",
            "RELAY_LOG_FORMAT": "console",
            "RELAY_LOG_LEVEL": "debug",
            "HOST": "0.0.0.0",
            "PORT": "8080",
            "RELAY_CONSOLE_URL": "https://relay.example/",
        }
    )
    assert settings.queue_url == "redis://queue:6379/0"
    assert settings.imp_api_url == "http://127.0.0.1:9000"
    assert settings.imp_key == "imp_apikey"
    assert settings.imp_secret is not None
    assert settings.imp_secret.get_secret_value() == "very secret"
    tokens = [(token.value.get_secret_value(), token.rights, token.holder) for token in settings.api_tokens]
    assert tokens == [
        ("alpha", "write", None),
        ("beta", "read", None),
        ("gamma", "metrics", None),
        ("delta", "write", "alice"),
        ("epsilon", "read", "bob"),
    ]
    assert [key.get_secret_value() for key in settings.encryption_keys] == [KEY, KEY]
    assert settings.allowed_ips == (ip_network("52.78.100.19/32"), ip_network("10.8.0.0/16"), ip_network("::1/128"))
    assert settings.trusted_proxies == (ip_network("127.0.0.1/32"),)
    assert settings.allowed_endpoint_networks == (ip_network("10.8.0.0/16"),)
    assert (settings.allow_private_endpoints, settings.require_durable, settings.replica_acks) == (True, True, 2)
    assert (settings.cells, settings.workers) == (4, 3)
    assert (settings.retry_schedule, settings.fetch_schedule) == ((0.2, 1.0), (1.0,))
    assert (settings.unknown_schedule, settings.pending_schedule) == ((2.0,), (3.0,))
    assert (settings.expiry_grace, settings.delivery_timeout, settings.disable_after) == (0, 4, 86400)
    assert (settings.reconcile_every, settings.retention, settings.lookback) == (0, 90 * 86400, 7 * 86400)
    assert settings.spool_dir == Path("/data/spool")
    assert (settings.log_format, settings.log_level) == ("console", "debug")
    assert (settings.host, settings.port, settings.console_url) == ("0.0.0.0", 8080, "https://relay.example")


BAD = {
    "REDIS_URL": [
        "redis://h:99999",
        "redis://h:port/0",
        "http://x",
        "redis://h/zero",
        "redis+sentinel://h:1",
        "redis://h?db=x",
        "redis:///0",
    ],
    "RELAY_QUEUE_URL": ["amqp://h"],
    "IMP_API_URL": ["api.iamport.kr", "ftp://x", "https://x?a=1", "https://", "http://x:99999"],
    "RELAY_IAMPORT_PROXY": [
        "proxy:3128",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://proxy",
        "http://proxy:port",
        "http://proxy:99999",
        "http://proxy:0",
        "http://:3128",
        "http://[::1.2]:3128",
        "http://pro xy:3128",
        "http://proxy:3128/path",
        "http://proxy:3128?a=1",
        "http://proxy:3128,http://other:3128",
        "http://:password@proxy:3128",
        "http://a%3Ab:password@proxy:3128",
        "http://user:비밀@proxy:3128",
        "http://user:%0a@proxy:3128",
        "http://user:%ff@proxy:3128",
    ],
    "RELAY_API_TOKEN": [
        "a,,b",
        "a b",
        "ro:",
        "metrics:",
        "alice:",
        "a,ro:a",
        "alice:a,bob:a",
        "ro:ro:a",
        "ro:alice:a",
        "eve:alice:a",
        "al ice:a",
        "비밀",
    ],
    "RELAY_ENCRYPTION_KEY": ["short", KEY[:-1], f"{KEY},", "한" * 44],
    "RELAY_ALLOWED_IPS": ["iamport.kr", "1.2.3", "10.0.0.0/33", "1.2.3.4;5.6.7.8"],
    "RELAY_TRUSTED_PROXIES": ["proxy"],
    "RELAY_ALLOWED_ENDPOINT_NETWORKS": ["10.8.0.0-10.8.0.9"],
    "RELAY_ALLOW_PRIVATE_ENDPOINTS": ["maybe"],
    "RELAY_RETRY_SCHEDULE": ["5s,", "5", "0s", "5s;6s"],
    "RELAY_FETCH_SCHEDULE": ["1x"],
    "RELAY_UNKNOWN_SCHEDULE": ["-1s"],
    "RELAY_PENDING_SCHEDULE": ["1m 5m"],
    "RELAY_EXPIRY_GRACE": ["10"],
    "RELAY_DELIVERY_TIMEOUT": ["0s", "15"],
    "RELAY_DISABLE_AFTER": ["0"],
    "RELAY_RECONCILE_EVERY": ["off"],
    "RELAY_RETENTION": ["1y"],
    "RELAY_LOOKBACK": ["0s"],
    "RELAY_REQUIRE_DURABLE": ["2"],
    "RELAY_REPLICA_ACKS": ["-1", "one"],
    "RELAY_CELLS": ["0", "100", "many"],
    "RELAY_WORKERS": ["0", "257", "all"],
    "RELAY_LOG_FORMAT": ["xml"],
    "RELAY_LOG_LEVEL": ["INFO!"],
    "PORT": ["0", "65536", "http"],
    "RELAY_CONSOLE_URL": ["127.0.0.1:8001"],
}


def test_words_are_taken_in_capitals_too() -> None:
    """`INFO` is how Python and most log viewers write it, `True` and `OFF` come out of other tools' templates."""
    settings = Settings.load(
        {
            "RELAY_LOG_LEVEL": "INFO",
            "RELAY_LOG_FORMAT": "Console",
            "RELAY_REQUIRE_DURABLE": "True",
            "RELAY_SPOOL_DIR": "OFF",
        }
    )
    assert (settings.log_level, settings.log_format) == ("info", "console")
    assert (settings.require_durable, settings.spool_dir) == (True, None)


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_one_line_naming_variable_and_what_it_takes(variable: str, value: str) -> None:
    """Whoever started the process can correct it from the line alone."""
    line = refusal(variable, value)
    assert line.startswith(f"{variable}=")
    assert "it takes" in line
    assert len(line.splitlines()) == 1


def test_the_line_shows_the_value() -> None:
    """The line of a bad schedule is the whole story."""
    assert refusal("RELAY_FETCH_SCHEDULE", "1s,5x") == (
        "RELAY_FETCH_SCHEDULE=1s,5x is not usable: it takes durations above zero, separated by commas: 5s,30s,2m"
    )


@pytest.mark.parametrize(
    "variable", ["RELAY_DELIVERY_TIMEOUT", "RELAY_DISABLE_AFTER", "RELAY_LEDGER_RETENTION", "RELAY_LOOKBACK"]
)
def test_a_duration_that_cannot_be_zero_says_so(variable: str) -> None:
    """`0s` is a number and a unit: that this is what it takes would help nobody."""
    assert (
        refusal(variable, "0s") == f"{variable}=0s is not usable: it takes a duration above zero: 200ms, 5s, 2m, 1h, 5d"
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RELAY_API_TOKEN", "pass word"),
        ("RELAY_ENCRYPTION_KEY", "pass word"),
        ("REDIS_URL", "redis:/:pass word@host"),
        ("RELAY_QUEUE_URL", "redis://pass word@host/x"),
        ("RELAY_QUEUE_URL", "redis://host/x?db=1&PassWord=the-secret"),
    ],
)
def test_the_line_shows_no_secret(variable: str, value: str) -> None:
    """A mistyped secret does not end in a terminal or a log."""
    assert not re.search("pass word|the-secret", refusal(variable, value))


def test_a_long_value_with_line_breaks_stays_one_short_line() -> None:
    """A file pasted into a variable does not flood the screen."""
    line = refusal("RELAY_LOG_FORMAT", "json\nconsole\x1b[2J" * 100)
    assert len(line.splitlines()) == 1
    assert len(line) < 200
    assert "\x1b" not in line


def test_blank_counts_as_not_set() -> None:
    """Compose files pass variables on that are empty."""
    assert Settings.load({"RELAY_SPOOL_DIR": " ", "PORT": ""}) == Settings.load({})


def test_the_spool_can_be_switched_off() -> None:
    """`off` means no spool at all."""
    assert Settings.load({"RELAY_SPOOL_DIR": "off"}).spool_dir is None


@pytest.mark.parametrize(
    ("ledger", "queue"),
    [
        ("redis://h", "redis://h/1"),
        ("redis://h/", "redis://h/1"),
        ("redis://u:p@h:1/4", "redis://u:p@h:1/5"),
        ("rediss://h:6380/0?ssl_cert_reqs=none", "rediss://h:6380/1?ssl_cert_reqs=none"),
        ("redis://h?db=2", "redis://h?db=3"),
        ("redis://h/2?db=2", "redis://h?db=3"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=1"),
        ("unix:///run/redis.sock?db=7", "unix:///run/redis.sock?db=8"),
        ("redis+sentinel://a:26379,b:26379/mymaster/0", "redis+sentinel://a:26379,b:26379/mymaster/1"),
        ("redis+sentinel://a:26379/mymaster", "redis+sentinel://a:26379/mymaster/1"),
    ],
)
def test_the_queue_is_the_next_database(ledger: str, queue: str) -> None:
    """Dramatiq gets a database number of its own unless another one is given."""
    assert Settings.load({"REDIS_URL": ledger}).queue_url == queue
    assert parse(queue).database == parse(ledger).database + 1


def test_secrets_are_not_in_repr() -> None:
    """A printed settings object gives nothing away."""
    shown = repr(
        Settings.load(
            {
                "REDIS_URL": "redis://:hidden@h/0",
                "RELAY_QUEUE_URL": "redis://:hidden@h/1",
                "IMP_KEY": "hidden",
                "IMP_SECRET": "hidden",
                "RELAY_API_TOKEN": "hidden",
                "RELAY_ENCRYPTION_KEY": KEY,
            }
        )
    )
    assert "hidden" not in shown
    assert KEY not in shown


def test_a_process_says_what_it_needs() -> None:
    """What is missing is said like what is wrong: one line."""
    with pytest.raises(BadSetting, match=r"^RELAY_API_TOKEN is not set: it takes bearer tokens"):
        Settings.load({"RELAY_ENCRYPTION_KEY": KEY}).needs("encryption_keys", "api_tokens")
    Settings.load({"RELAY_ENCRYPTION_KEY": KEY, "RELAY_API_TOKEN": "t"}).needs("encryption_keys", "api_tokens")


def test_settings_are_frozen() -> None:
    """Nothing changes them after the start."""
    settings = Settings.load({})
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]  # the error is the point
