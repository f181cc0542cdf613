"""The keyspace: every key, what it holds, how it grows, and when it ends.

Keys of a merchant are in the merchant's cell, under ``{relay:NN}:``. Keys of the ledger as a whole (`IN_SHARED`) are
under ``{relay}:``. Each prefix is a hash tag, so on a Cluster all keys with the same prefix are on one primary.
Times are Redis' time in ms. Lanes are ``refresh/m`` and ``unknown/m`` (members: imp_uids), ``deliver/ep`` and
``replay/ep`` (members: delivery ids) and ``job/kind`` (members: ids of long-running jobs).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple, cast
from zlib import crc32

from ledger.constants import AUTO

SHARED_PREFIX = "{relay}:"

LaneKind = Literal["refresh", "unknown", "deliver", "replay", "job"]

_ADDRESS = re.compile(r"(\d+):(refresh|unknown|deliver|replay|job)/(.+)", re.DOTALL)


def cell_prefix(cell: int) -> str:
    """What the keys of a cell begin with."""
    return f"{{relay:{cell:02}}}:"


def cell_of(merchant: str, cells: int) -> int:
    """The cell of a merchant, if there are ``cells``. It is the same in every process, and never changes."""
    return crc32(merchant.encode()) % cells


class Lane(NamedTuple):
    """A queue of due work in a cell: a merchant's dirty payments, an endpoint's deliveries, or long jobs of a kind."""

    kind: LaneKind
    name: str
    cell: int = 0

    def __str__(self) -> str:
        """Its name within its cell."""
        return f"{self.kind}/{self.name}"

    @property
    def address(self) -> str:
        """Its name among all lanes, as kicks have it."""
        return address(self.cell, str(self))

    @classmethod
    def parse(cls, text: str) -> Lane:
        """The lane at an address. Raises `ValueError`."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ValueError(f"no lane: {text!r}")
        return cls(cast(LaneKind, found[2]), found[3], int(found[1]))

    @classmethod
    def of(cls, name: str, cell: int) -> Lane:
        """The lane with this name within its cell."""
        return cls.parse(address(cell, name))


def address(cell: int, lane: str) -> str:
    """The address of the lane with this name within its cell."""
    return f"{cell:02}:{lane}"


def payment(merchant: str, imp_uid: str) -> str:
    """The name of a payment in keys and indexes."""
    return f"{merchant}/{imp_uid}"


PLACEHOLDERS = {
    "m": r"[^/:]+",  # a merchant; its name has neither / nor :
    "p": r"[^/:]+/.+",  # a payment: merchant/imp_uid
    "ep": r"[^/:]+",  # an endpoint
    "lane": r"(?:refresh|unknown|deliver|replay|job)/.+",
    "run": rf"(?:{AUTO})?[^/:]+",  # a reconciliation; `auto/m` is the one that repeats by itself
    "id": r"[^/:]+",  # of an event, a notification, a replay, a delivery ({event id}.{endpoint id})
    "any": r".+",
}
"""The placeholders in the names of `KEYS`, each with a regular expression of what it stands for."""


class Key(NamedTuple):
    """One kind of key: its name without the prefix, its type, what it holds, how it grows and when it ends."""

    name: str
    type: Literal["string", "hash", "list", "set", "zset", "stream"]
    holds: str
    grows: str
    ends: str

    def __call__(self, *parts: str) -> str:
        """The name of one such key, without the prefix; ``parts`` take the place of its placeholders."""
        return _template(self.name) % parts

    def matches(self, name: str) -> bool:
        """Whether a key, named without the prefix, is of this kind."""
        pattern = re.sub(r"<(\w+)>", lambda found: PLACEHOLDERS[found[1]], self.name)
        return re.fullmatch(pattern, name) is not None


@cache
def _template(name: str) -> str:
    return re.sub(r"<\w+>", "%s", name)


_ONE = "one value"
_PER_MERCHANT = "one member per merchant"
_PER_ENDPOINT = "one member per endpoint"
_PER_LANE = "one per lane, with a member for each that waits"
_PER_LEASE = "one per lane, with a member for each lease"
_WITH_PAYMENT = "with its payment, after the retention"
_WITH_EVENT = "with its event, after the retention"
_WITH_MERCHANT = "when its merchant is deleted"
_WITH_ENDPOINT = "with its endpoint: after the retention, once that is deleted and nothing is to be delivered"
_WITH_LANE = "a member leaves when it is settled"

# fmt: off
KEYS = (
    # The ledger
    Key("version", "string", "version of the stored shapes", _ONE, "never"),
    Key("readable_from", "string", "oldest version whose code reads them", _ONE, "never"),
    Key("canary", "string", "text sealed with RELAY_ENCRYPTION_KEY: shows whether a process has the right keys",
        _ONE, "never"),
    NAME := Key("name", "string", "the ledger's name; history knows by it whose it is", _ONE, "never"),
    SPREAD := Key("cells", "string", "how many cells merchants are spread over (RELAY_CELLS)", _ONE, "never"),
    OPEN := Key("open", "string", "history is known to be this ledger's: webhooks are accepted, work is claimed",
        _ONE, "never"),
    Key("restoring", "string", "it is being put back from history (ledger.restoring)", _ONE, "when all of it is back"),
    Key("revision", "string", "number of the latest change that was appended to the outbox", _ONE, "never"),
    OUTBOX := Key("outbox", "stream", "what changed and the recorder has not written to history yet (schemas.outbox)",
        "one item per change", "an item leaves when it is recorded"),
    RECORDED := Key("recorded", "string", "place in the outbox up to which history has it", _ONE, "never"),
    OLD_COPY := Key("old_copy", "string", "'from:to' (ms): Redis came back with a copy that lacks what happened then",
        _ONE, "expires after a week"),
    LACKING := Key("lacking", "string", "the outbox may lack a change: history has to be written again",
        _ONE, "when that begins"),
    Key("history_lost", "string", "when it was found that history was lost: older facts may be rebuilt",
        _ONE, "expires after 30 days"),
    REWRITING := Key("rewriting", "hash", "run part cursor: how far the job is that writes history again; until then"
        " nothing leaves the ledger", "three fields", "when history has all of it"),
    Key("leader:<any>", "string", "the worker that does something alone: records, sweeps",
        "one per kind of work", "expires within 5 s"),
    Key("seq", "string", "counter behind fencing tokens and the stamps of notifications", _ONE, "never"),
    Key("base", "string", "added to every sequence: 0, or the UNIX time when it was rebuilt, restored or begun anew, or"
        " its history was lost; a payment that began after that counts from 1 all the same",
        _ONE, "never"),
    Key("renewed_at", "string", "when a worker last renewed the leases it holds, or would have", _ONE, "never"),
    Key("renewed_again_at", "string", "when one did so for the first time after none could for a while", _ONE, "never"),
    Key("sweep_at", "string", "when the sweeper means to look next", _ONE, "never"),
    WAKE := Key("wake", "stream", "at: when a lane is due, sooner than the sweeper means to look",
        "one item", "the next item takes its place"),
    Key("memory_pressure", "string", "Redis is nearly full: nothing new is claimed", _ONE, "expires after 2 s"),
    Key("probe", "string", "commands are tried on it (ledger.acl)", _ONE, "at once: it never holds anything"),
    Key("workers", "hash", "worker -> 'when:JSON', its last heartbeat",
        "one field per worker", "a worker without a heartbeat for 10 minutes leaves"),
    Key("spools", "hash", "receiver -> 'waiting:when:reason', notifications in its spool and why it stores none",
        "one field per receiver", "a receiver without a report for a minute leaves"),
    Key("idem:<any>", "hash", "request under an idempotency key: fingerprint, owner, sealed answer",
        "one per request", "expires after 2 minutes without an answer, a day with one"),
    # Operators
    Key("sign_ins", "hash", "from:<source> and all -> attempts to sign in",
        "one field per source", "expires 15 minutes after the first"),
    Key("ended_session:<any>", "string", "the session has ended, though its cookie is still valid",
        "one per session that was ended", "expires with the cookie"),
    Key("token_use:<id>", "string", "when an operator's token was last used",
        "one per operator's token", "expires after 400 days"),
    # Merchants
    MERCHANTS := Key("merchants", "zset", "merchant -> created", _PER_MERCHANT, _WITH_MERCHANT),
    DELETED_MERCHANTS := Key("merchants:deleted", "zset", "merchant -> deleted",
        _PER_MERCHANT, "when the merchant is put again"),
    MERCHANT := Key("merchant:<m>", "hash", "created_at since include_sandbox sandbox_since (when that was switched on,"
        " 0: from the start) check_prepared imp_key imp_secret (both sealed) token_hash tier trouble",
        "one per merchant", _WITH_MERCHANT),
    ORDERS := Key("orders:<m>", "hash", "merchant_uid -> JSON {amount, currency}: what the merchant expects;"
        " '' where some have left",
        "one per merchant, with a field per order", "with the last payment of that order, never where there is none"),
    Key("imp_token:<any>", "string", "i'mport's access token for credentials (named by their hash), sealed",
        "one per pair of credentials", "expires with the token"),
    Key("imp_lock:<any>", "string", "a process fetches that token, or the one after it",
        "one per pair of credentials", "expires by itself"),
    # Webhooks
    Key("unverified", "string", "unknown payments that unverified sources named", _ONE, "expires after a minute"),
    Key("unverified:<any>", "string", "those that one of these sources named",
        "one per source, 3,000 at most", "expires after a minute"),
    Key("refusals", "hash", "merchant:status -> refused webhooks", "one field per merchant and status", "never"),
    Key("refused_bodies", "hash", "merchant:reason -> webhooks answered with 400 for it",
        "one field per merchant and reason", "never"),
    Key("refused_bodies:at", "zset", "the same -> when the last one was counted",
        "one member per merchant and reason", "never"),
    # Payments
    PAYMENT := Key("pay:<p>", "hash", "head, record (packed) and object of a payment (shared/records.lua); n:<id>: a"
        " notification that waits for a refresh, trouble: why it has to; s:<id>: one that is settled"
        " (notifications.lua); e:<event>, d:<delivery>: packed (rows.lua, deliveries.lua); o:<version>: the object"
        " as events show it, whole or as the difference from another, o:whole, o:spent (snapshots.lua); b:<version>:"
        " what that becomes, while its buyer is erased; t:<endpoint>: event of the latest delivery to an ordered"
        " endpoint, from the second on",
        "one per payment, with fields per event, delivery and notification", "after the retention"),
    Key("pays:<m>", "hash", "order number -> imp_uids of its payments, in the order in which they were recorded",
        "one per merchant, with a field per order", "a payment leaves after the retention"),
    AGEING := Key("ageing", "zset", "payment -> last change: what retention may remove",
        "one member per payment", _WITH_PAYMENT),
    Key("hidden:<p>", "string", "when a look-up found a payment of a test channel, which the merchant does not include",
        "one per payment of a test channel", "expires after a day"),
    FORGOTTEN := Key("forgotten", "hash", "until: payments that had last changed before that (ms) may be gone: they had"
        " left, and history was lost", "one field", "never"),
    Key("left", "string", "no payment that changed after this has left: one that began later is new, or here",
        _ONE, "never"),
    # Events and deliveries
    Key("events", "hash", "event of a payment -> 'version payment': under which version the payment's row has its"
        " object, if its body lacks that", "one field per event of a payment", _WITH_PAYMENT),
    Key("evt:<id>", "hash", "an event that belongs to no payment, about an endpoint or a test: e:{event} and"
        " d:{delivery} as in pay:p", "one per event that belongs to no payment", "after the retention"),
    EVENTS_OF_TYPE := Key("evts:t:<id>", "zset", "events of one type that belong to no payment -> recorded",
        "one per type, with a member per event", _WITH_EVENT),
    Key("dlvs:s:<ep>/<id>", "zset", "deliveries to one endpoint in one stored state (pending, dead) -> created",
        "two per endpoint, with a member per delivery", "once it is in another state, or with its event"),
    Key("minute:<id>", "hash", "counts of what happened in that minute", "one per minute", "expires after two days"),
    Key("day:<id>", "hash", "lost and applied: webhooks that never came, and those that brought facts",
        "one per day", "expires after a month"),
    # Endpoints
    ENDPOINTS := Key("endpoints", "zset", "endpoint -> created", _PER_ENDPOINT, "when it is deleted"),
    ENDPOINTS_OF_MERCHANT := Key("endpoints:m:<m>", "zset", "those of one merchant",
        "one per merchant, with a member per endpoint", "when it is deleted"),
    DELETED_ENDPOINTS := Key("endpoints:deleted", "zset", "endpoint -> deleted", _PER_ENDPOINT, _WITH_ENDPOINT),
    ENDPOINT := Key("endpoint:<ep>", "hash", "row (JSON, schemas.endpoints.endpoint) merchant state disabled_reason"
        " disabled_at created_at max_in_flight rate_limit health fresh_health (its health once it is enabled or"
        " changed) last_error ok_count fail_count places (schemas.endpoints.places) places_since: attempts claimed"
        " before this token do not count for them", "one per endpoint", _WITH_ENDPOINT),
    Key("subs:<m>", "hash", "endpoint -> 'ordered filter filter …'",
        "one per merchant, with a field per endpoint", "a subscription leaves when its endpoint is deleted"),
    # Lanes
    LANES := Key("lanes", "zset", "lane -> when its work may next be claimed, or since when it may",
        "one member per lane", "a lane leaves when it has no work to claim"),
    DUE := Key("due:<lane>", "zset", "unleased member -> due", _PER_LANE, _WITH_LANE),
    LEASED := Key("leased:<lane>", "zset", "leased member -> when the lease ends", _PER_LEASE, "with the lease"),
    Key("tokens:<lane>", "hash", "leased member -> fencing token", _PER_LEASE, "with the lease"),
    Key("touched:<lane>", "zset", "member marked while leased -> due", _PER_LEASE, "with the lease"),
    Key("requested:<lane>", "zset", "delivery that an operator requested -> when",
        _PER_LANE, "once it is claimed or given up"),
    Key("tries:<lane>", "hash", "imp_uid -> refreshes that have failed", _PER_LANE, _WITH_LANE),
    Key("stalled:<lane>", "zset", "imp_uid postponed while i'mport failed -> when",
        _PER_LANE, "once it is claimed, or i'mport answers again"),
    Key("silent:<lane>", "set", "imp_uids whose next refresh is recorded silently", _PER_LANE, _WITH_LANE),
    Key("lane:<lane>", "hash", "closed; not_before, the latest of retry_after_until, open_until, rate_until and a"
        " merchant's pause; probe_until: a probe is under way until then; capacity and probe_capacity: how many may be"
        " leased; tokens and tokens_at: of the rate; failures: of i'mport in a row; requested_at: since when a delivery"
        " is requested; fresh_from: attempts claimed before this token do not count for health",
        "one per lane", "of a merchant: never; of an endpoint: " + _WITH_ENDPOINT),
    Key("kicked:<lane>", "string", "a kick is under way, or a worker's turn (its token)",
        "one per lane", "expires after 5 s at most"),
    # Replays and reconciliations
    REPLAY := Key("replay:<id>", "hash", "what a replay, or its part in this cell, sends (ledger.replays), state,"
        " cursor, until, walked, its counts", "one per replay", "after the retention"),
    REPLAYS := Key("replays", "zset", "replay -> created", "one member per replay", "after the retention"),
    Key("replaying:<id>", "set", "unsettled deliveries that a replay queued",
        "one per replay, with a member per delivery", "a delivery leaves when it is settled"),
    RECONCILIATION := Key("recon:<run>", "hash", "row: how far a reconciliation is (JSON), merchant is_running"
        " is_failing", "one per reconciliation",
        "by hand after the retention, an automatic one that long after its merchant was deleted"),
    Key("recon:<run>:found", "zset", "imp_uid found to differ and not refreshed since -> found",
        "one per reconciliation, with a member per payment", "expires after two days"),
    Key("recon:<run>:awaiting_webhook", "zset", "… that a webhook should have announced -> when",
        "one per reconciliation, with a member per payment", "expires after two days"),
    RECONCILIATIONS := Key("recons", "zset", "reconciliation by hand -> created",
        "one member per reconciliation", "after the retention"),
    RECONCILIATIONS_OF_MERCHANT := Key("recons:m:<m>", "zset", "those of one merchant",
        "one per merchant, with a member per reconciliation", "after the retention"),
)
"""All kinds of keys. Python names a key by calling its kind: ``PAYMENT(payment("default", "imp_1"))``. A test compares
this table with a ledger in which everything has happened."""
# fmt: on

IN_SHARED = (
    "version", "readable_from", "canary", "name", "cells", "open", "leader", "probe", "workers", "spools", "idem",
    "imp_token", "imp_lock", "sign_ins", "ended_session", "token_use", "refusals", "refused_bodies", "minute",
)  # fmt: skip
"""How the names of keys under `SHARED_PREFIX` begin. Cells have `name`, `open`, `probe` and `minute`, too."""
