"""One reason, and how it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from schemas.reasons.codes import CAUSED, CODES, FRAMES, UNKNOWN

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is as it is. `code` is one of `CODES`, which names its `params`; times are UNIX seconds. `cause` is
    the reason behind this one: the reason for a lane's pause has that of the last attempt.

    Raises `ValueError` for a code or parameters that are not registered, and for a code of `CAUSED` without a cause.
    """

    code: str
    params: Mapping[str, Value] = field(default_factory=dict)
    cause: Reason | None = None

    def __post_init__(self) -> None:
        if self.code not in CODES or self.params.keys() != set(CODES[self.code]):
            raise ValueError(f"no reason is registered as {self.code!r} with {sorted(self.params)}")
        if self.code in CAUSED and self.cause is None:
            raise ValueError(f"a reason {self.code!r} needs a cause")

    def __hash__(self) -> int:
        return hash(dump(self))

    @classmethod
    def of(cls, code: str, cause: Reason | None = None, /, **params: Value) -> Reason:
        """The reason with this code and these parameters."""
        return cls(code, params, cause)

    def because(self, cause: Reason | None) -> Reason:
        """This reason with `cause` at the end of its chain of causes."""
        if cause is None:
            return self
        return Reason(self.code, self.params, cause if self.cause is None else self.cause.because(cause))

    @property
    def decisive(self) -> str:
        """The code for programs: the cause's code if this reason only frames its cause."""
        return self.cause.decisive if self.code in FRAMES and self.cause is not None else self.code


def dump(reason: Reason) -> bytes:
    """A reason as it is stored: compact JSON, without empty members."""
    return orjson.dumps(as_row(reason))


def load(text: bytes | str) -> Reason:
    """The reason that `dump` or a script wrote. A reason that only a newer version knows becomes `unknown_reason`, and
    so does a text that is no reason at all."""
    try:
        return of_row(orjson.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return Reason.of(UNKNOWN, text=(text.decode(errors="replace") if isinstance(text, bytes) else text)[:500])


def stored(text: bytes | str | None) -> Reason | None:
    """The reason of a stored field; None if the field is absent or empty."""
    return load(text) if text else None


def as_row(reason: Reason) -> dict[str, Any]:
    """A reason as an object for JSON, without empty members."""
    row: dict[str, Any] = {"code": reason.code}
    if reason.params:
        row["params"] = dict(reason.params)
    if reason.cause is not None:
        row["cause"] = as_row(reason.cause)
    return row


def of_row(row: Mapping[str, Any]) -> Reason:
    """The reason in such an object."""
    cause = of_row(row["cause"]) if row.get("cause") else None
    code, params = row["code"], row.get("params") or {}
    if code not in CODES or params.keys() != set(CODES[code]) or (code in CAUSED and cause is None):
        return Reason.of(UNKNOWN, cause, text=str(code))
    return Reason(code, params, cause)
