-- Stores notifications and marks their payments dirty. A notification counts as accepted once it is stored, so it is stored last, when
-- its payment is dirty and the lane is indexed. If Redis refuses a command before that, accepting it again repeats everything.
-- ARGV: how many, then per notification:
--       id, merchant, imp_uid, merchant_uid, status, cancellation_id, source, verified (0 or 1), received at (ms, or "" for now),
--       the rest of its body, hash of its webhook token (or ""), under which name its unverified source is budgeted (or ""),
--       key and JSON of the escrow change it reports (or ""), why that is not trusted from this source (or "")
-- Returns: {lanes to kick, per notification "ok" or "unknown"; or "closed" for all of them}
-- uses: lanes merchants opening outbox payments

-- Unverified sources can name any number of payments. This many unknown ones a minute, of one source and of all, are refreshed without
-- delay; the others wait in the slow lane. A payment that is known, or due anyway, does not count.
local OF_ONE, OF_ALL, BUDGET_MS = 300, 3000, 60000

local function read_notification()
  return {id = take(), m = take(), imp = take(), merchant_uid = take(), status = take(), cancellation_id = take(), source = take(),
    verified = take(), received_at = take(), extra = take(), token_hash = take(), unverified_source = take_text(),
    escrow_key = take_text(), escrow_change = take(), doubt = take()}
end

local function within_budget(n)
  local p = n.m .. "/" .. n.imp
  if not n.unverified_source or redis.call("EXISTS", k("pay", p)) > 0 or is_due_or_leased("refresh/" .. n.m, n.imp) then
    return true
  end
  -- The total is checked first, so that there are never more counters than it allows.
  for _, limit in ipairs({{k("unverified"), OF_ALL}, {k("unverified", n.unverified_source), OF_ONE}}) do
    local used = redis.call("INCR", limit[1])
    if used == 1 then redis.call("PEXPIRE", limit[1], BUDGET_MS) end
    if used > limit[2] then return false end
  end
  return true
end

-- Fencing tokens and the stamps of notifications come from one counter: a refresh answers what was accepted before its claim.
local stamp, lanes = nil, {}

-- An escrow change waits for a refresh. One that is reported again before that happened when it was first received.
local function keep_escrow_change(p, n)
  local known = redis.call("HGET", k("escrow", p), n.escrow_key)
  local rest = known and string.match(known, "^%d+(:.*)$") or ":" .. n.received_at .. ":" .. n.escrow_change
  redis.call("HSET", k("escrow", p), n.escrow_key, int(stamp) .. rest)
end

-- Marks the payment dirty, with what its refresh is to see of a notification.
local function request_refresh(n)
  local p = n.m .. "/" .. n.imp
  if within_budget(n) then
    lanes[mark_dirty(n.m, n.imp, now())] = true
  else
    touch("unknown/" .. n.m, n.imp, now())
    lanes["unknown/" .. n.m] = true
  end
  redis.call("ZADD", k("waiting", p), int(stamp), n.id)
  if n.verified == "1" and n.status == "cancelled" and n.cancellation_id ~= "" then
    redis.call("HSET", k("reported", p), n.cancellation_id, int(stamp))
  end
  if n.escrow_key and n.doubt == "" then keep_escrow_change(p, n) end
end

local function store(n)
  redis.call("HSET", k("ntf", n.id), "merchant", n.m, "imp_uid", n.imp, "merchant_uid", n.merchant_uid, "status", n.status,
    "cancellation_id", n.cancellation_id, "source", n.source, "verified", n.verified, "received_at", n.received_at,
    "extra", n.extra, "outcome", "pending", "reason", n.doubt,
    unpack(n.escrow_key and n.doubt == "" and {"escrow", n.escrow_key} or {}))
  list(k("ntfs"), n.id, n.received_at)
  list(k("ntfs", "m", n.m), n.id, n.received_at)
  list(k("ntfs", "p", n.m .. "/" .. n.imp), n.id, n.received_at)
  list(k("ntfs", "o", "pending"), n.id, n.received_at)
  count("accepted", 1)
end

local function record(n)
  append_entry_of("notification", {id = n.id, merchant = n.m, imp_uid = n.imp, merchant_uid = present(n.merchant_uid),
    status = present(n.status), cancellation_id = present(n.cancellation_id), source = present(n.source), verified = n.verified == "1",
    received_at = number_in(n.received_at), extra = n.extra, reason = present(n.doubt), revision = revision()})
end

if not is_open() then return {{}, "closed"} end
local answers, new, is_new = {}, {}, {}
for i = 1, take_number() do
  local n = read_notification()
  if not takes_webhook(n.m, n.token_hash) then
    must_be_primary()
    answers[i] = "unknown"
  else
    if not is_new[n.id] and redis.call("EXISTS", k("ntf", n.id)) == 0 then
      stamp = stamp or redis.call("INCR", k("seq"))
      if n.received_at == "" then n.received_at = int(now()) end
      is_new[n.id] = true
      new[#new + 1] = n
      request_refresh(n)
    end
    answers[i] = "ok"
  end
end

local kicks = announce(lanes)
for _, n in ipairs(new) do record(n) end
append_to_outbox()
for _, n in ipairs(new) do store(n) end
return {kicks, answers}
