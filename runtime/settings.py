"""The environment of every process, read once at start and frozen.

A bad value stops the process with one line naming the variable, the value and what it takes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from runtime import environment, history_url
from runtime import setting_values as v
from runtime.history_url import HistoryUrl, HistoryUrlError
from runtime.machine import usable_cores
from runtime.redis_url import RedisUrlError, next_database, parse
from runtime.setting_values import ApiToken, Network
from schemas.errors import BadSetting

Seconds = Annotated[float, BeforeValidator(v.duration)]
LongSeconds = Annotated[float, BeforeValidator(v.positive_duration)]
Waits = Annotated[tuple[float, ...], BeforeValidator(v.schedule)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(v.networks)]
Switch = Annotated[bool, BeforeValidator(v.switch)]
Credential = Annotated[str, BeforeValidator(v.credential)]
RedisUrl = Annotated[str, BeforeValidator(v.redis_url)]
QueueUrl = Annotated[str, BeforeValidator(v.queue_url)]
History = Annotated[HistoryUrl, BeforeValidator(history_url.parse)]
HttpUrl = Annotated[str, BeforeValidator(v.http_url)]
LogFormat = Annotated[Literal["json", "console"], BeforeValidator(v.word)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(v.word)]

_DURATION = "a number and a unit: 200ms, 5s, 2m, 1h, 5d"
_LONG_DURATION = "a duration above zero: 200ms, 5s, 2m, 1h, 5d"
_SCHEDULE = "durations above zero, separated by commas: 5s,30s,2m"
_NETWORKS = "addresses or networks, separated by commas: 52.78.100.19,10.8.0.0/16"
_QUEUE = "redis://host:port/0, rediss://…, unix:///path?db=0 or redis+sentinel://host:port,host:port/service/0"
_REDIS = f"{_QUEUE}, or redis+cluster://host:port,host:port"
_SWITCH = "true or false"
_HISTORY = "sqlite:///var/history.db or postgresql://user:password@host/database"
_URL = "an http or https address without query: https://api.iamport.kr"


class Settings(BaseModel):
    """The settings in the environment. Durations are seconds; secrets appear neither in `repr` nor in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    redis_url: RedisUrl = Field("redis://127.0.0.1:6379/0", alias="REDIS_URL", description=_REDIS, repr=False)
    given_queue_url: QueueUrl | None = Field(None, alias="RELAY_QUEUE_URL", description=_QUEUE, repr=False)

    history_url: History = Field(
        history_url.parse("sqlite:///var/history.db"), alias="RELAY_HISTORY_URL", description=_HISTORY, repr=False
    )

    imp_api_url: HttpUrl = Field("https://api.iamport.kr", alias="IMP_API_URL", description=_URL)
    imp_key: Credential | None = Field(
        None, alias="IMP_KEY", description="the merchant's REST API key, one line of printable text", repr=False
    )
    imp_secret: Annotated[SecretStr | None, BeforeValidator(v.credential)] = Field(
        None, alias="IMP_SECRET", description="the merchant's REST API secret, one line of printable text"
    )

    iamport_proxy: Annotated[SecretStr | None, BeforeValidator(v.http_proxy)] = Field(
        None, alias="RELAY_IAMPORT_PROXY", description="an HTTP proxy: http://[user:password@]host:port"
    )

    api_tokens: Annotated[tuple[ApiToken, ...], BeforeValidator(v.api_tokens)] = Field(
        (),
        alias="RELAY_API_TOKEN",
        description="bearer tokens separated by commas, each with `ro:` (read-only) or `metrics:` (only for /metrics) "
        "before it where it may do less, and a holder's name and a colon before that: alice:ro:token",
    )
    encryption_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(v.fernet_keys)] = Field(
        (), alias="RELAY_ENCRYPTION_KEY", description="Fernet keys (32 bytes in URL-safe base64), separated by commas"
    )

    allowed_ips: Networks = Field((), alias="RELAY_ALLOWED_IPS", description=_NETWORKS)
    trusted_proxies: Networks = Field((), alias="RELAY_TRUSTED_PROXIES", description=_NETWORKS)
    allow_private_endpoints: Switch = Field(False, alias="RELAY_ALLOW_PRIVATE_ENDPOINTS", description=_SWITCH)
    allowed_endpoint_networks: Networks = Field((), alias="RELAY_ALLOWED_ENDPOINT_NETWORKS", description=_NETWORKS)

    retry_schedule: Waits = Field(
        v.schedule("5s,30s,2m,10m,30m,1h,3h,6h,12h,24h,24h"), alias="RELAY_RETRY_SCHEDULE", description=_SCHEDULE
    )
    fetch_schedule: Waits = Field(
        v.schedule("1s,5s,15s,1m,5m,15m,1h"), alias="RELAY_FETCH_SCHEDULE", description=_SCHEDULE
    )
    unknown_schedule: Waits = Field(v.schedule("2s,10s,30s"), alias="RELAY_UNKNOWN_SCHEDULE", description=_SCHEDULE)
    pending_schedule: Waits = Field(
        v.schedule("1m,5m,15m,1h,6h"), alias="RELAY_PENDING_SCHEDULE", description=_SCHEDULE
    )
    expiry_grace: Seconds = Field(600.0, alias="RELAY_EXPIRY_GRACE", description=_DURATION)
    delivery_timeout: LongSeconds = Field(15.0, alias="RELAY_DELIVERY_TIMEOUT", description=_LONG_DURATION)
    disable_after: LongSeconds = Field(5 * 86400.0, alias="RELAY_DISABLE_AFTER", description=_LONG_DURATION)
    reconcile_every: Seconds = Field(900.0, alias="RELAY_RECONCILE_EVERY", description=f"{_DURATION}; 0 for never")
    ledger_retention: LongSeconds = Field(2 * 86400.0, alias="RELAY_LEDGER_RETENTION", description=_LONG_DURATION)
    retention: Seconds = Field(1830 * 86400.0, alias="RELAY_RETENTION", description=f"{_DURATION}; 0 for ever")
    lookback: LongSeconds = Field(30 * 86400.0, alias="RELAY_LOOKBACK", description=_LONG_DURATION)

    spool_dir: Annotated[Path | None, BeforeValidator(v.directory)] = Field(
        Path("var/spool"), alias="RELAY_SPOOL_DIR", description="a directory, or off"
    )
    require_durable: Switch = Field(False, alias="RELAY_REQUIRE_DURABLE", description=_SWITCH)
    replica_acks: int = Field(0, alias="RELAY_REPLICA_ACKS", ge=0, le=100, description="a number of replicas, 0 to 100")
    cells: int = Field(
        16, alias="RELAY_CELLS", ge=1, le=99, description="a number of cells, 1 to 99, the same for good"
    )
    workers: int = Field(
        default_factory=usable_cores, alias="RELAY_WORKERS", ge=1, le=256, description="a number of processes, 1 to 256"
    )

    metrics_port: int = Field(
        9108, alias="RELAY_METRICS_PORT", ge=0, le=65535, description="a port, 1 to 65535, or 0 for none"
    )

    log_format: LogFormat = Field("json", alias="RELAY_LOG_FORMAT", description="json or console")
    log_level: LogLevel = Field("info", alias="RELAY_LOG_LEVEL", description="debug, info, warning, error or critical")
    host: str | None = Field(None, alias="HOST", description="an address to listen on")
    port: int | None = Field(None, alias="PORT", ge=1, le=65535, description="a port, 1 to 65535")
    console_url: HttpUrl = Field("http://127.0.0.1:8001", alias="RELAY_CONSOLE_URL", description=_URL)

    @property
    def queue_url(self) -> str:
        """The URL of Dramatiq's queue: as given, else the ledger's Redis with the next database number.

        Raises `BadSetting` if none is given and the ledger is on a Redis Cluster, which has only one database.
        """
        if self.given_queue_url is not None:
            return self.given_queue_url
        if parse(self.redis_url).kind == "cluster":
            raise BadSetting(
                f"RELAY_QUEUE_URL is not set: where REDIS_URL is a Redis Cluster, Dramatiq's queue needs a Redis of"
                f" its own; it takes {_QUEUE}"
            )
        return next_database(self.redis_url)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, only: Sequence[str] | None = None) -> Settings:
        """Settings from `environ` (`os.environ` when None); with `only`, just the variables that it names.

        A blank value counts as not set. `NAME_FILE` names a file that holds the value of `NAME`. Raises `BadSetting`,
        whose one line has the variable, its value (masked if secret) and what it takes. For a `RELAY_…` that does not
        exist, the line has the nearest name that does.
        """
        environ = os.environ if environ is None else environ
        known = [field.alias for field in cls.model_fields.values() if field.alias]
        environment.refuse_unknown(environ, known)
        given = environment.gather(environ, known if only is None else only)
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            variable = str(first["loc"][0])
            raise BadSetting(_one_line(variable, given[variable], first.get("ctx", {}).get("error"))) from None

    def needs(self, *names: str) -> None:
        """Raise `BadSetting` for the first of these fields that is not set, e.g. `needs("api_tokens")`."""
        for name in names:
            if not getattr(self, name):
                field = _field(name)
                raise BadSetting(f"{field.alias} is not set: it takes {field.description}")


def _field(name: str) -> FieldInfo:
    return Settings.model_fields[name]


def _one_line(variable: str, value: str, error: object = None) -> str:
    field = next(field for field in Settings.model_fields.values() if field.alias == variable)
    why = f" ({error})" if isinstance(error, RedisUrlError | HistoryUrlError) else ""
    return f"{variable}={v.shown(variable, value)} is not usable{why}: it takes {field.description}"
