"""The keyspace, told once. Every key starts with ``{relay}:``, one hash tag, so a ledger fits on one Cluster shard.

Times are Redis' time in ms. ``m`` is a merchant, ``imp`` an imp_uid, ``ep`` an endpoint's id, ``p`` stands for
``m/imp`` (a merchant's name has no ``/``). A delivery's id is ``{event id}.{endpoint id}``.

=========================  ======  =====================================================================================
key                        type    holds
=========================  ======  =====================================================================================
version                    string  version of the stored shapes
seq                        string  counter behind fencing tokens and the stamps of notifications
base                       string  added to every sequence: 0, or the UNIX time of a rebuild
merchants                  zset    merchant -> created · merchants:deleted merchant -> deleted, unless it was put again
merchant:m                 hash    created_at since include_sandbox sandbox_since (when that was switched on, 0 for from
                                   the start) check_prepared imp_key imp_secret token_hash tier trouble
imp_token:c                string  i'mport's access token for credentials (c is their hash), sealed, until it expires
imp_lock:c · imp_lock:c:t  string  who is fetching one · one in place of token t; expires by itself
orders:m                   hash    merchant_uid -> JSON {amount, currency}: what the merchant expects
ntf:id                     hash    one notification as it came, outcome, reason; escrow: fact key of what it changes;
                                   trouble: why its payment could not be looked at, shown while it is pending
ntfs · ntfs:m:m            zset    id -> received · the same for one merchant
ntfs:p:p · ntfs:o:outcome  zset    … for one payment · for one outcome
waiting:p                  zset    pending notifications of a payment: id -> stamp
claims:p                   hash    cancellation_id that a verified webhook spoke of -> stamp; until a look has seen it
escrow:p                   hash    the same for escrow changes: fact key -> "stamp:received:JSON"
pay:p                      hash    version snapshot fetched_at status … (see commit.lua)
facts:p                    hash    fact key -> JSON fact; only grows
pays · pays:m:m            zset    p -> first recorded · the same for one merchant
pays:u:merchant_uid        zset    … for one order number (any merchant)
pays:s:status              zset    … for one status · pays:ms:m/status for one merchant and status
ageing                     zset    p -> last change: what retention may remove
hidden:p                   string  when a look found a payment of a test channel, which the merchant does not include;
                                   expires after a day
tomb:p                     string  what a payment removed by retention was: fact keys, last sequence; two years
snaps:p                    hash    version -> i'mport's object as the look that made it found it, or what differs from
                                   another; for its events. whole spent (see shared/snapshots.lua)
evt:id                     hash    body (the callback's bytes; without i'mport's object where snap says which of snaps:p
                                   that is) merchant imp_uid type sequence recorded_at silent about snap
evts · evts:m:m            zset    id -> recorded · the same for one merchant
evts:p:p · evts:t:type     zset    … for one payment (score: sequence) · for one type
dlv:id                     hash    event endpoint merchant imp_uid type sequence state attempts next_at reason
                                   sent_after: the earlier delivery that died before it …;
                                   while replayed: replay_id state_before reason_before
att:id                     list    a delivery's attempts, oldest first, JSON
dlvs · dlvs:e:ep           zset    id -> created · the same for one endpoint
dlvs:s:ep/state            zset    … for one endpoint and stored state (pending delivered dead discarded)
dlvs:v:event               set     endpoints that one event goes to
replay:id                  hash    what a replay sends (see replay_create.lua), state, cursor (ms), walked, its counts
replays                    zset    replay -> created
replaying:id               set     deliveries that a replay queued and that have not come to an end
recon:id                   hash    row: how far a reconciliation is (JSON); `auto/m` is the one that goes on by itself
recon:id:found             zset    imp_uids found to differ and not looked at since -> found
recon:id:unheard           zset    … that a webhook should have announced -> when; until it came, or counts as lost
recons · recons:m:m        zset    reconciliation by hand -> created · the same for one merchant
endpoints · endpoints:m:m  zset    ep -> created · the same for one merchant
endpoints:deleted          zset    ep -> deleted; those whose row stays beside deliveries
endpoint:ep                hash    row (JSON, see schemas.endpoint) merchant state disabled_reason disabled_at health …
subs:m                     hash    ep -> "ordered type type …" for every endpoint of a merchant that is not deleted
chain:ep/p                 zset    ordered endpoint: a payment's unsettled deliveries; only the head is in the lane
lanes                      zset    lane -> when it next wants a worker, or since when it does and nothing holds it back
due:lane                   zset    member -> due; not leased
leased:lane                zset    member -> when the lease ends
tokens:lane                hash    member -> fencing token of its lease
touched:lane               zset    member -> due; marked while leased
asked:lane                 zset    deliveries an operator asked for -> when; they go whatever the lane waits for
tries:lane                 hash    imp_uid -> looks that have failed
stalled:lane               zset    imp_uids that were put off while i'mport failed; all are due when it is back
quiet:lane                 set     imp_uids whose next look is recorded without delivery
lane:lane                  hash    not_before (nothing is claimed until then) probe_until (one was claimed to see how
                                   things are) closed room told_until failures probe tokens tokens_at asked
                                   (since when something is asked for) afresh (claims before this token say nothing)
kicked:lane                string  a kick is under way; expires by itself
sweeper                    string  who sweeps; expires by itself · crowded: Redis is nearly full; expires by itself
strangers · strangers:s    string  payments nobody knew that unverified senders (this one) named; expires after a minute
spools                     hash    receiver -> "waiting:when": notifications in its spool
workers                    hash    worker -> "when:JSON", its last sign of life (see ledger.heartbeats); ten minutes
probe                      -       never holds anything: commands are tried on it (see ledger.rights)
canary                     string  sealed with RELAY_ENCRYPTION_KEY: whether a process has the right keys
minute:n                   hash    counts of what happened in that minute; two days · refusals: all refused webhooks
refused_bodies             hash    merchant:reason -> webhooks answered with 400 for it
refused_bodies:at          zset    the same -> when the last one was counted
day:n                      hash    lost and applied: webhooks that never came, and those that brought news; a month
=========================  ======  =====================================================================================

Lanes are ``refresh/m`` and ``unknown/m`` (members: imp_uids), ``deliver/ep`` and ``replay/ep`` (members: delivery ids)
and ``job/kind`` (members: ids of long-running jobs).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, cast

PREFIX = "{relay}:"

LaneKind = Literal["refresh", "unknown", "deliver", "replay", "job"]


class Lane(NamedTuple):
    """A queue of due work: a merchant's payments to look at, an endpoint's deliveries to send, long jobs of a kind."""

    kind: LaneKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Lane:
        """The lane of a text as `str` gives it. Raises `ValueError`."""
        kind, _, name = text.partition("/")
        if kind not in ("refresh", "unknown", "deliver", "replay", "job") or not name:
            raise ValueError(f"no lane: {text!r}")
        return cls(cast(LaneKind, kind), name)


def key(*parts: str) -> str:
    """The full name of a key: ``key("pay", "default/imp_1")``."""
    return PREFIX + ":".join(parts)


def payment(merchant: str, imp_uid: str) -> str:
    """How a payment is called inside keys and indexes."""
    return f"{merchant}/{imp_uid}"
