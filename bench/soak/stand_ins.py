"""i'mport with lists: reconciliation runs as in service, and has something to compare."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from bench.payment import ROW
from bench.stubs import IamportStandIn, json_answer


@dataclass
class Payments:
    """The payments that i'mport has been asked for, and when each was asked for first (UNIX seconds, rising)."""

    names: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    at: dict[str, int] = field(default_factory=dict)

    def paid_at(self, imp_uid: str) -> int:
        """When this one was paid: at its first look-up."""
        if imp_uid not in self.at:
            self.at[imp_uid] = int(time.time())
            self.names.append(imp_uid)
            self.times.append(self.at[imp_uid])
        return self.at[imp_uid]


class ListingIamport(IamportStandIn):
    """Every payment is known, and was paid when it was looked up first; lists have those that were."""

    def __init__(self, payments: Payments) -> None:
        super().__init__()
        self._payments = payments

    def answer(self, head: bytes, body: bytes, /) -> bytes:
        asked = urlsplit(head.split(b" ", 2)[1].decode())
        if asked.path != "/payments/status/all":
            return super().answer(head, body)
        query = {name: int(values[0]) for name, values in parse_qs(unquote(asked.query)).items() if name != "sorting"}
        first = bisect_left(self._payments.times, query["from"])
        last = bisect_right(self._payments.times, query["to"])
        begin = first + (query["page"] - 1) * query["limit"]
        end = min(begin + query["limit"], last)
        rows = b",".join(map(self.row, self._payments.names[begin:end]))
        page = b'{"total":%d,"previous":%d,"next":%d,"list":[%s]}'
        following = query["page"] + 1 if end < last else 0
        response = page % (last - first, query["page"] - 1, following, rows)
        return json_answer(b'{"code":0,"message":null,"response":%s}' % response)

    def row(self, imp_uid: str) -> bytes:
        return ROW % {b"imp_uid": imp_uid.encode(), b"now": self._payments.paid_at(imp_uid)}
