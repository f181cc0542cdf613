"""Endpoints' places, shared by all workers: each worker learns from the answers it got, and writes the places when it
settles these deliveries.

`schemas.endpoints.places` decides. A worker applies its answers to the places as it last read them. If another worker
has replaced them since, it reads the new ones, and applies its answers to those when it settles next.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.endpoint_rows import dump_places, load_places
from ledger.scripting import Argument
from schemas.endpoints.places import Answer, Places, after_answer, capacity, were_halved

MOST_WAITING = 256
"""Most answers of an endpoint that wait to be applied; of more, only the latest do."""
MOST_KNOWN = 10_000
"""Of how many endpoints a process knows the places, those it claimed for last: more than it sends to at one time."""


@dataclass(slots=True)
class _Known:
    """An endpoint's places as they were last read, the first token whose answers count, how many callbacks the endpoint
    allows, and the answers that wait, each with the token of its claim."""

    text: bytes = b""
    since: int = 0
    most: int = 0
    waiting: list[tuple[int, Answer]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PlacesChange:
    """A change of places that one settle proposes, made of the first `applied` answers that waited."""

    endpoint: str
    before: bytes
    after: bytes
    applied: int
    halves: bool
    new_capacity: bool

    def args(self) -> tuple[Argument, ...]:
        """The change as `settle_deliveries` takes it."""
        return self.endpoint, self.before, self.after, int(self.halves), int(self.new_capacity)


class SharedPlaces:
    """The places of the endpoints that this process sends to."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def read(self, endpoint: str, fields: Mapping[str, bytes]) -> None:
        """Take note of an endpoint's fields, as a claim returns them."""
        known = self._known.setdefault(endpoint, _Known())
        known.text, known.since = fields.get("places", b""), int(fields.get("places_since", b"0"))
        known.most = int(fields["max_in_flight"])
        self._known.move_to_end(endpoint)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def answered(self, endpoint: str, token: int, answer: Answer) -> None:
        """Let an answer wait for the next settle."""
        if known := self._known.get(endpoint):
            known.waiting.append((token, answer))

    def changes(self, endpoints: Collection[str]) -> list[PlacesChange]:
        """The changes that the waiting answers make to the places of these endpoints."""
        known = ((endpoint, self._known.get(endpoint)) for endpoint in endpoints)
        return [_change(endpoint, one) for endpoint, one in known if one is not None and one.waiting]

    def written(self, changes: Sequence[PlacesChange], answers: Sequence[tuple[int, bytes, bytes]]) -> None:
        """Take note of the script's answer to each change: whether it was made, the places now, and the first token
        that counts."""
        for change, (is_made, text, since) in zip(changes, answers, strict=True):
            known = self._known.get(change.endpoint)
            if known is None:
                continue
            known.text, known.since = text, int(since)
            if is_made:
                del known.waiting[: change.applied]


def _change(endpoint: str, known: _Known) -> PlacesChange:
    del known.waiting[:-MOST_WAITING]
    first = before = after = load_places(known.text)
    for token, answer in known.waiting:
        if token < known.since:
            continue
        after = after_answer(before := after, answer, known.most)
        if were_halved(before, after):
            # The callbacks of the answers that follow were under way by then.
            break
    return PlacesChange(
        endpoint, known.text, dump_places(after), len(known.waiting),
        halves=were_halved(before, after), new_capacity=_capacity(first, known) != _capacity(after, known),
    )  # fmt: skip


def _capacity(places: Places, known: _Known) -> int:
    return capacity(places, known.most)
