"""What the audit records of a call, as data beside the API's operation and the web console's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from console.operations.audit import AuditedAction
from schemas.endpoints.url_masking import masked_url
from schemas.times import rfc3339


@dataclass(frozen=True, slots=True)
class Audited:
    """What the audit says of a call that succeeded.

    `action` is `noun.verb`. `object` is a template with names of the call's values, and `detail` lists such names:
    parts of the path, parameters, fields of the body or form, and the `id` of the object that was made. None of these
    is secret or a buyer's. `is_view`: the call shows secrets or buyers' data, and changes nothing. `statuses` are those
    of calls that did something; if empty, every status that is no error counts.
    """

    action: str
    object: str = ""
    detail: tuple[str, ...] = ()
    is_view: bool = False
    statuses: tuple[int, ...] = ()

    def counts(self, status: int) -> bool:
        """Whether this status means that the call did what the audit says."""
        return status in self.statuses if self.statuses else status < 400


def action_done(audited: Audited, named: Mapping[str, Any], body: BaseModel | None) -> AuditedAction:
    """What an operator did. Of body fields that `audited` does not name, it says only that they were given."""
    fields = {} if body is None else body.model_dump()
    known = {**named, **fields}
    detail: dict[str, Any] = {
        name: _plain(name, known[name]) for name in audited.detail if known.get(name) not in (None, "", [])
    }
    others = set() if body is None else body.model_fields_set - set(audited.detail)
    if others:
        detail["given"] = sorted(others)
    return AuditedAction(audited.action, audited.object.format_map({**fields, **named}), detail)


def _plain(name: str, value: Any) -> Any:
    """A value as the audit shows it: times in RFC 3339, URLs without parts that look like a token."""
    if isinstance(value, str):
        return masked_url(value) if name == "url" else value
    return rfc3339(value) if name in ("since", "until") and isinstance(value, float) else value
