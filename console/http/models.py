"""What all models of the operator API share: strict bodies, exact parameters, numbers and times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from history.pages import PageRequest
from schemas.durations import parse_duration
from schemas.errors import Invalid
from schemas.reasons import Reason, english
from schemas.times import rfc3339, unix
from schemas.webhook_address import DEFAULT_MERCHANT, MERCHANT_NAME


class Body(BaseModel):
    """A request's body: nothing is converted, nothing unknown is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Parameters(BaseModel):
    """The parameters of a request's query."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """Something the API answers with: a model that reads what an operation returns, attribute by attribute."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, from_attributes=True, validate_by_name=True
    )


def also_in(*parts: str) -> AliasGenerator:
    """For an `Out` of an object with nested ones: an attribute that the object lacks is read from the first of its
    `parts` that has it."""
    return AliasGenerator(validation_alias=lambda name: AliasChoices(name, *(AliasPath(part, name) for part in parts)))


T = TypeVar("T")


class ListOut(Out, Generic[T]):
    """A page of rows."""

    data: list[T] = Field(validation_alias="rows")
    next_cursor: str | None


def code_of(reason: Reason | str | None) -> str | None:
    """The code of a reason; a code is left as it is."""
    return reason.decisive if isinstance(reason, Reason) else reason


def _reason(value: object) -> Reason:
    if not isinstance(value, Reason):
        raise TypeError(f"a Reason is needed, not {type(value).__name__}")
    return value


ReasonText = Annotated[Reason, PlainValidator(_reason), PlainSerializer(english, return_type=str)]
"""A reason: data inside, English words in the answer."""
ReasonCode = Annotated[
    str | None, BeforeValidator(code_of), Field(description="the same for programs: a code that keeps its meaning")
]
"""The code of a reason: a field beside a `ReasonText` that reads the same attribute (`validation_alias`)."""


class Nothing(Body):
    """No body, or an empty object."""


ABSENT: Any = None
"""The default of a field that may be left out, but not be null; check `model_fields_set` before reading it."""


def _wrong(reason: Reason) -> PydanticCustomError:
    """The error of a validator; `console.http.problems` reads the reason back."""
    return PydanticCustomError("invalid", "{message}", {"message": english(reason), "reason": reason})


@contextmanager
def field_error() -> Iterator[None]:
    """Inside a validator: an `Invalid` of `schemas` becomes the field's error."""
    try:
        yield
    except Invalid as error:
        raise _wrong(error.reason) from None


def checked(check: Callable[[Any], Any]) -> AfterValidator:
    """A check of `schemas` as a validator: its `Invalid` becomes the field's error."""

    def validate(value: Any) -> Any:
        with field_error():
            return check(value)

    return AfterValidator(validate)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise _wrong(Reason.of("not_a_number"))
    return value


def _rate(value: Any) -> float:
    return float(_number(value))


def _money(value: Any) -> Decimal:
    amount = Decimal(_number(value))
    if amount.adjusted() > 15 or int(amount.as_tuple().exponent) < -6:
        raise _wrong(Reason.of("bad_money"))
    return amount


def _moment(value: Any) -> float:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise _wrong(Reason.of("bad_moment"))
    try:
        return unix(value.upper())
    except (ValueError, OverflowError):
        raise _wrong(Reason.of("no_such_moment")) from None


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _written(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, (int, float)) else value


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        raise _wrong(Reason.of("bad_duration"))
    try:
        return parse_duration(value)
    except ValueError:
        raise _wrong(Reason.of("bad_duration")) from None


_DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"})
_TIME_SCHEMA = WithJsonSchema({"type": "string", "format": "date-time"})
_NUMBER_SCHEMA = WithJsonSchema({"type": "number"})

Rate = Annotated[float, BeforeValidator(_rate), _NUMBER_SCHEMA]
"""A number of a body, as a float."""
_MONEY_SCHEMA = WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
Money = Annotated[Decimal, BeforeValidator(_money), Field(gt=0), _MONEY_SCHEMA]
"""An amount of a body, in the currency's major unit, digit for digit."""
Tax = Annotated[Decimal, BeforeValidator(_money), Field(ge=0), WithJsonSchema({"type": "number", "minimum": 0})]
"""A part of an amount; it may be 0."""
Moment = Annotated[float, BeforeValidator(_moment), _TIME_SCHEMA]
"""A time in a request; it becomes UNIX seconds."""
Seconds = Annotated[float, BeforeValidator(_duration), _DURATION_SCHEMA]
"""A duration in a request; it becomes seconds."""
Time = Annotated[str, BeforeValidator(_written), _TIME_SCHEMA]
"""A time in an answer, made from UNIX seconds."""
Amount = Annotated[int | Decimal, _NUMBER_SCHEMA]
"""An amount in an answer, with the digits that it had."""

Merchant = Annotated[str, Field(pattern=f"^{MERCHANT_NAME}$")]


class Listing(Parameters):
    """The parameters of every list; the window [since, until) is about when a row was first recorded."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, min_length=1, max_length=500)
    since: Moment | None = None
    until: Moment | None = None

    @property
    def part(self) -> PageRequest:
        """The requested part of the list."""
        return PageRequest(self.limit, self.cursor, self.since, self.until)


class OfMerchant(Parameters):
    """Which merchant a single payment belongs to."""

    merchant: Merchant = DEFAULT_MERCHANT
