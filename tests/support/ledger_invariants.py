"""What must hold of a ledger between any two operations, told a second time and in another language than Lua."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ledger import Ledger
from tests.support import stored_payments
from tests.support.ledger_redis import redis_of, without_prefix
from tests.support.stored_rows import taken_apart


@dataclass
class _Contents:
    """All of a ledger, by what comes after the prefix."""

    sets: dict[str, dict[str, float]] = field(default_factory=dict)
    hashes: dict[str, dict[str, str]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    index: dict[str, str] = field(default_factory=dict)
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    """The records of payments, by name."""
    waiting: dict[str, set[str]] = field(default_factory=dict)
    """What else the rows of payments have: notifications that wait, and why."""
    now: float = 0.0
    """Redis' time in ms."""

    def scores(self, name: str) -> dict[str, float]:
        return self.sets.get(name, {})

    def row(self, name: str) -> dict[str, str]:
        return self.hashes.get(name, {})


async def problems(ledger: Ledger) -> list[str]:
    """In words, what is not in order."""
    contents = await _read(ledger)
    found = [f"the key {name} has not the prefix" for name in contents.foreign]
    for lane in sorted(_lanes(contents)):
        found += _of_lane(contents, lane)
    found += _of_payments(contents)
    found += _of_deliveries(contents)
    found += _of_lists(contents)
    found += _of_orders(contents)
    found += _of_snapshots(contents)
    found += _of_index(contents)
    return found


_ALL = """
local read = {zset = {"ZRANGE", 0, -1, "WITHSCORES"}, hash = {"HGETALL"}, set = {"SMEMBERS"}}
local all = {}
for i, name in ipairs(redis.call("KEYS", "*")) do
  local kind = redis.call("TYPE", name).ok
  local how = read[kind]
  all[i] = {name, kind, how and redis.call(how[1], name, unpack(how, 2)) or {}}
end
return all
"""


async def _read(ledger: Ledger) -> _Contents:
    contents = _Contents(now=await ledger.now() * 1000)
    rows: Any = await redis_of(ledger).execute_command("EVAL", _ALL, 0)
    index: dict[bytes, bytes] = {}
    for name, _, value in rows:
        if without_prefix(name.decode()) == "events":
            index |= _pairs(value)
    for name, kind, value in rows:
        _sort_in(contents, name.decode(), kind, value, index)
    contents.index = {event.decode(): of.decode() for event, of in index.items()}
    return contents


def _pairs(flat: Any) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _sort_in(contents: _Contents, name: str, kind: bytes, value: Any, index: Mapping[bytes, bytes]) -> None:
    if not name.startswith(("{relay}:", "{relay:")):
        contents.foreign.append(name)
    short = without_prefix(name)
    pairs = list(zip(value[::2], value[1::2], strict=True)) if kind != b"set" else []
    if kind == b"zset":
        contents.sets[short] = {member.decode(): float(score) for member, score in pairs}
    elif short.startswith(("pay:", "evt:")):
        row, name = _pairs(value), short.partition(":")[2]
        contents.hashes |= taken_apart(short, row, index)
        if b"head" in row:
            contents.records[name] = stored_payments.fields_of(row)
        if short.startswith("pay:"):
            contents.waiting[name] = {one.decode() for one in row if one.startswith((b"n:", b"trouble"))}
    elif kind == b"hash":
        contents.hashes[short] = {field.decode(): text.decode(errors="replace") for field, text in pairs}
    elif kind == b"set":
        contents.members[short] = {member.decode() for member in value}


def _lanes(contents: _Contents) -> set[str]:
    named = {
        name.partition(":")[2]
        for name in (*contents.sets, *contents.hashes, *contents.members)
        if name.partition(":")[0] in ("due", "leased", "touched", "tokens", "tries", "stalled", "silent")
    }
    return named | set(contents.scores("lanes"))


def _of_lane(contents: _Contents, lane: str) -> list[str]:
    due, leased = contents.scores(f"due:{lane}"), contents.scores(f"leased:{lane}")
    touched, tokens = contents.scores(f"touched:{lane}"), contents.row(f"tokens:{lane}")
    inside = due.keys() | leased.keys()
    found = []
    if leased.keys() != tokens.keys():
        found.append(f"{lane}: leased are {sorted(leased)}, tokens are for {sorted(tokens)}")
    if due.keys() & leased.keys():
        found.append(f"{lane}: due and leased at once: {sorted(due.keys() & leased.keys())}")
    if touched.keys() - leased.keys():
        found.append(f"{lane}: touched and not leased: {sorted(touched.keys() - leased.keys())}")
    for name, left in (
        ("tries", contents.row(f"tries:{lane}").keys()),
        ("silent", contents.members.get(f"silent:{lane}", set())),
        ("stalled", contents.scores(f"stalled:{lane}").keys()),
    ):
        if left - inside:
            found.append(f"{lane}: left behind in {name}: {sorted(left - inside)}")
    wanted, noted = _next(contents, lane), contents.scores("lanes").get(lane)
    # Once it wants a worker: since then, or since whatever held it back has ended.
    since = wanted is not None and noted is not None and wanted <= noted <= contents.now
    if wanted != noted and not since:
        found.append(f"{lane}: wants a worker at {wanted}, noted is {noted}")
    return found


def _next(contents: _Contents, lane: str) -> float | None:
    """When a lane next wants a worker."""
    kind, _, name = lane.partition("/")
    limits = contents.row(f"lane:{lane}")
    own = contents.scores(f"leased:{lane}").values()
    together = [f"deliver/{name}", f"replay/{name}"] if kind in ("deliver", "replay") else [lane]
    all_leases = [end for each in together for end in contents.scores(f"leased:{each}").values()]
    if "requested_at" in limits:
        return min([float(limits["requested_at"]), *own])
    if "closed" in limits:
        return None
    wishes = list(own)
    if due := contents.scores(f"due:{lane}"):
        at = max(min(due.values()), float(limits.get("not_before", 0)), float(limits.get("probe_until", 0)))
        full = "capacity" in limits and all_leases and len(all_leases) >= int(limits["capacity"])
        wishes.append(min(all_leases) if full else at)
    return min(wishes, default=None)


def _of_payments(contents: _Contents) -> list[str]:
    found = []
    places: dict[str, list[str]] = defaultdict(list)
    for lane in _lanes(contents):
        kind, _, merchant = lane.partition("/")
        if kind in ("refresh", "unknown"):
            for imp_uid in contents.scores(f"due:{lane}").keys() | contents.scores(f"leased:{lane}").keys():
                places[f"{merchant}/{imp_uid}"].append(kind)
    found += [f"{name} is in two lanes" for name, kinds in places.items() if len(kinds) > 1]
    slow = {
        f"{lane.partition('/')[2]}/{imp_uid}"
        for lane in _lanes(contents)
        if lane.startswith("unknown/")
        for imp_uid in contents.scores(f"due:{lane}")
    }
    found += [f"{name} is known and waits in the slow lane" for name in slow if name in contents.records]
    for p, fields in contents.waiting.items():
        if fields and p not in places:
            found.append(f"{p}: forgotten, nobody will look: {sorted(fields)}")
    sequences_of: dict[str, list[int]] = defaultdict(list)
    for name, row in contents.hashes.items():
        if name.startswith("evt:") and row["imp_uid"]:
            sequences_of[f"{row['merchant']}/{row['imp_uid']}"].append(int(row["sequence"]))
    for p, row in contents.records.items():
        sequences = sorted(sequences_of[p])
        gap = any(after != before + 1 for before, after in pairwise(sequences))
        if gap or (sequences and sequences[-1] != int(row["sequence"])):
            found.append(f"{p}: sequence {row['sequence']}, events {sequences}")
    return found


def _of_orders(contents: _Contents) -> list[str]:
    """Every payment is listed under its order."""
    wanted = {(*name.split("/", 1), row["merchant_uid"]) for name, row in contents.records.items()}
    listed = {
        (name.removeprefix("pays:"), imp_uid, number)
        for name, orders in contents.hashes.items()
        if name.startswith("pays:")
        for number, imp_uids in orders.items()
        for imp_uid in imp_uids.split()
    }
    different = listed ^ {one for one in wanted if one[-1]}
    return [f"listed under an order or not does not agree: {sorted(different)}"] if different else []


def _of_snapshots(contents: _Contents) -> list[str]:
    """Each event has its object, and no object is kept for nobody."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for name, row in contents.hashes.items():
        if name.startswith("evt:") and "snap" in row:
            wanted[f"snaps:{row['merchant']}/{row['imp_uid']}"].add(row["snap"])
    found = []
    for name in {name for name in contents.hashes if name.startswith("snaps:")} | wanted.keys():
        kept = {version: text for version, text in contents.row(name).items() if version not in ("whole", "spent")}
        if kept.keys() != wanted[name]:
            found.append(f"{name}: has {sorted(kept)}, events want {sorted(wanted[name])}")
        bases = {text.partition(" ")[0] for text in kept.values() if not text.startswith("{")}
        found += [f"{name}: {base} is not there whole" for base in bases if not kept.get(base, "").startswith("{")]
    return found


def _of_index(contents: _Contents) -> list[str]:
    """The payment of each event is found by its id, and nothing else is."""
    wanted = {
        name.removeprefix("evt:"): f"{row.get('snap', '')} {row['merchant']}/{row['imp_uid']}"
        for name, row in contents.hashes.items()
        if name.startswith("evt:") and row["imp_uid"]
    }
    return [] if wanted == contents.index else [f"events: {contents.index}, rows say {wanted}"]


def _of_deliveries(contents: _Contents) -> list[str]:
    found = []
    for name, row in contents.hashes.items():
        if not name.startswith("dlv:"):
            continue
        identity, endpoint, state = name.removeprefix("dlv:"), row["endpoint"], row["state"]
        before = contents.row(f"dlv:{row.get('waits_for', '')}")
        lanes = [
            lane
            for lane in (f"deliver/{endpoint}", f"replay/{endpoint}")
            if identity in contents.scores(f"due:{lane}") or identity in contents.scores(f"leased:{lane}")
        ]
        behind = "waits_for" in row and "replay_id" not in row
        if len(lanes) != (1 if state == "pending" and not behind else 0):
            found.append(f"{identity}: is {state}{' behind another' if behind else ''}, in lanes {lanes}")
        if behind and state == "pending" and before.get("followed_by") != identity:
            found.append(f"{identity}: waits for {row['waits_for']}, which another follows")
    return found


_LISTED: dict[str, Callable[[str, dict[str, str]], dict[str, str]]] = {
    "evt": lambda _, row: {} if row["imp_uid"] else {f"evts:t:{row['type']}": row["recorded_at"]},
    "dlv": lambda _, row: (
        {f"dlvs:s:{row['endpoint']}/{row['state']}": row["created_at"]} if row["state"] in ("pending", "dead") else {}
    ),
}
"""By what a hash is called: the lists that it is in, and at which place (in ms, or a sequence)."""


def _of_lists(contents: _Contents) -> list[str]:
    """Everything is in the lists that its row says, at its place, and nothing is in others."""
    wanted: dict[str, dict[str, float]] = defaultdict(dict)
    for name, row in contents.hashes.items():
        kind, _, identity = name.partition(":")
        if kind in _LISTED:
            for index, place in _LISTED[kind](identity, row).items():
                wanted[index][identity] = float(place)
    kinds = tuple(f"{kind}s" for kind in _LISTED)
    lists = {name for name in contents.sets if name.partition(":")[0] in kinds}
    return [
        f"{name}: lists {contents.scores(name)}, rows say {wanted[name]}"
        for name in sorted(lists | wanted.keys())
        if contents.scores(name) != wanted[name]
    ]
