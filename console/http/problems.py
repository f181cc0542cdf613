"""Errors as RFC 9457 problems: `application/problem+json`, with every wrong field named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from schemas import wire
from schemas.errors import (
    Conflict,
    HistoryUnavailable,
    IamportFailing,
    IamportRefused,
    IamportUnreachable,
    Invalid,
    LedgerUnavailable,
    NotFound,
    RelayError,
    Unreadable,
    WrongCredentials,
)
from schemas.problem import MEDIA_TYPE, problem_members
from schemas.reasons import Reason, english
from schemas.reasons.codes import UNKNOWN


@dataclass(frozen=True, slots=True)
class WrongField:
    """One field of a request, "" for the body as a whole, and what is wrong with it."""

    field: str
    reason: Reason


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str
    reason_code: Annotated[str, Field(description="`message` for programs: a code that keeps its meaning")]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    reason_code: Annotated[str, Field(description="`detail` for programs: a code that keeps its meaning")]
    errors: Annotated[list[FieldError] | None, Field(description="every wrong field, of a 422")] = None


def problem(
    status: int,
    reason: Reason,
    *,
    errors: Sequence[Mapping[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """The answer with a problem; `more` are further members, such as i'mport's `code`."""
    body = problem_members(status, reason) | more
    if errors is not None:
        body["errors"] = list(errors)
    return Response(wire.dumps(body), status, dict(headers or {}), MEDIA_TYPE)


def invalid(errors: Sequence[WrongField]) -> Response:
    """The answer to a request that does not validate."""
    fields = ", ".join(dict.fromkeys(error.field or "the body" for error in errors))
    shown = [
        {"field": error.field, "message": english(error.reason), "reason_code": error.reason.decisive}
        for error in errors
    ]
    return problem(422, Reason.of("fields_invalid", fields=fields), errors=shown)


def field_errors(error: ValidationError) -> list[WrongField]:
    """Pydantic's errors as the API reports them; the values of the request are never repeated."""
    return [
        WrongField(
            ".".join(map(str, one["loc"]))[:200],
            _reason_of_field(one["type"], one["msg"], one.get("ctx", {})),
        )
        for one in error.errors(include_url=False, include_input=False)
    ]


_OF_PYDANTIC: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "extra_forbidden": ("unknown_field", {}),
    "missing": ("field_required", {}),
    "string_too_short": ("too_few_characters", {"min_length": "least"}),
    "string_too_long": ("too_many_characters", {"max_length": "most"}),
    "greater_than_equal": ("below_least", {"ge": "least"}),
    "greater_than": ("not_more", {"gt": "bound"}),
    "less_than_equal": ("above_most", {"le": "most"}),
    "literal_error": ("not_one_of", {"expected": "expected"}),
    "enum": ("not_one_of", {"expected": "expected"}),
    "string_type": ("not_a_text", {}),
    "bool_type": ("not_a_boolean", {}),
    "bool_parsing": ("not_a_boolean", {}),
    "int_type": ("not_an_integer", {}),
    "int_parsing": ("not_an_integer", {}),
    "int_from_float": ("not_an_integer", {}),
    "float_type": ("not_a_number", {}),
    "float_parsing": ("not_a_number", {}),
    "list_type": ("not_a_list", {}),
    "tuple_type": ("not_a_list", {}),
    "dict_type": ("not_a_json_object", {}),
    "model_type": ("not_a_json_object", {}),
    "model_attributes_type": ("not_a_json_object", {}),
    "string_pattern_mismatch": ("wrong_pattern", {"pattern": "pattern"}),
}
"""For each type of pydantic's errors: the reason code, and the parameter for each value of the error's context."""


def _reason_of_field(kind: str, message: str, context: Mapping[str, Any]) -> Reason:
    if isinstance(reason := context.get("reason"), Reason):
        return reason
    if kind not in _OF_PYDANTIC:
        return Reason.of(UNKNOWN, text=message)
    code, names = _OF_PYDANTIC[kind]
    return Reason.of(code, **{ours: _plain(context[theirs]) for theirs, ours in names.items()})


def _plain(value: Any) -> str | int | float:
    """A value of an error's context. Pydantic joins the words to choose from with "or"."""
    return value.replace(" or ", ", ") if isinstance(value, str) else value if isinstance(value, int) else str(value)


def reason_of(error: RelayError) -> Reason:
    """Why an operator's request failed: the error's reason; for an error of i'mport, with what it means for the
    request."""
    match error:
        case IamportRefused():
            return Reason.of("iamport_refused", error.reason)
        case IamportUnreachable() | WrongCredentials():
            return Reason.of("iamport_not_asked", error.reason)
        case IamportFailing():
            return Reason.of("outcome_unknown", error.reason)
        case Unreadable():
            return Reason.of("sealing_key_needed", error.reason)
    return error.reason


def is_outcome_unknown(error: Exception) -> bool:
    """Whether the request may have taken effect although it failed."""
    return isinstance(error, IamportFailing) and not isinstance(error, IamportUnreachable)


def of_error(error: RelayError) -> Response:
    """The answer to an error that was raised on purpose."""
    reason = reason_of(error)
    match error:
        case NotFound():
            return problem(404, reason)
        case Conflict():
            return problem(409, reason)
        case Invalid():
            return invalid([WrongField(error.field, error.reason)])
        case IamportRefused():
            return problem(409, reason, code=error.code, message=str(error))
        case IamportUnreachable() | WrongCredentials():
            return problem(502, reason)
        case IamportFailing():
            return problem(504, reason)
        case LedgerUnavailable() | HistoryUnavailable():
            return problem(503, reason, headers={"retry-after": "1"})
        case _:
            return problem(500, reason)
