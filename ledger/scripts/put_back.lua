-- Puts back what history has of a payment that has left, in parts: events with their deliveries and attempts first, the record in the last
-- part (see remove_payments.lua). It changes nothing that the ledger has; so doing it again, or twice at once, is doing it once. An event
-- that belongs to no payment comes without a record. What is put back is no change: history is not told.
-- ARGV: merchant, imp_uid ("" for an event that belongs to no payment),
--       how many objects, (name, i'mport's object)…, that events show,
--       how many events, (id, type, sequence, recorded at (ms), silent (0 or 1), sandbox (0 or 1), endpoint that it is about or "", body,
--       name of its object or "")…,
--       how many deliveries, (event, endpoint, type, sequence, state, created at (ms), next attempt at (ms, or ""), reason, attempts that
--       count, attempts made, replay or "", how many attempts, these (JSON)…)…,
--       how many fields the record has (0: it comes later), (field, value)…, how many facts, (key, JSON)…,
--       merchant_uid, status, first recorded at (ms), when it is to be looked at again (ms, or "")
-- Returns: {lanes to kick, 1 if it was put back, 0 if the ledger has it}
-- uses: lanes payments snapshots

local EVENT_COLUMNS = 9

local m, imp = take(), take()
local p = m .. "/" .. imp
local objects_to_store, events = take_rows(2), take_rows(EVENT_COLUMNS)
local deliveries = {}
for i = 1, take_number() do
  deliveries[i] = {event = take(), ep = take(), type = take(), sequence = take(), state = take(), created = take(), next_at = take_text(),
    reason = take(), attempts = take(), made = take(), rpl = take_text(), log = take_rows(1)}
end
local fields, facts = take_rows(2), take_rows(2)
local merchant_uid, status, first_at, next_look = take(), take(), take(), take_number()
if imp ~= "" and redis.call("EXISTS", k("pay", p)) == 1 then return {{}, 0} end

local lanes = {}

-- One that was not settled goes into its lane, or behind the one of the same payment that it has to wait for.
local function queue(id, d)
  local subscription = redis.call("HGET", k("subs", m), d.ep)
  local at = math.max(tonumber(d.next_at or 0), now())
  if d.rpl then
    redis.call("HSET", k("dlv", id), "replay_id", d.rpl)
    redis.call("SADD", k("replaying", d.rpl), id)
  elseif imp ~= "" and subscription and string.sub(subscription, 1, 1) == "1" then
    local chain = k("chain", d.ep .. "/" .. p)
    redis.call("ZADD", chain, d.sequence, id)
    local first, second = unpack(redis.call("ZRANGE", chain, 0, 1))
    if first ~= id then return end
    if second then redis.call("ZREM", k("due", "deliver/" .. d.ep), second) end
  end
  local lane = (d.rpl and "replay/" or "deliver/") .. d.ep
  touch(lane, id, at)
  lanes[lane] = true
end

local function put_back_delivery(d)
  local id = d.event .. "." .. d.ep
  if redis.call("EXISTS", k("dlv", id)) == 1 then return end
  for _, attempt in ipairs(d.log) do redis.call("RPUSH", k("att", id), attempt) end
  redis.call("SADD", k("dlvs", "v", d.event), d.ep)
  redis.call("HSET", k("dlv", id), "event", d.event, "endpoint", d.ep, "merchant", m, "imp_uid", imp, "type", d.type,
    "sequence", d.sequence, "state", d.state, "attempts", d.attempts, "made", d.made, "next_at", d.next_at or "", "reason", d.reason,
    "created_at", d.created, "replay", d.rpl and "1" or "0")
  list(k("dlvs"), id, d.created)
  list(k("dlvs", "e", d.ep), id, d.created)
  list(k("dlvs", "s", d.ep .. "/" .. d.state), id, d.created)
  if d.state == "pending" then queue(id, d) end
end

-- Events of one millisecond are listed in their order.
local function put_back_event(event, type_, sequence, at, silent, sandbox, about, body, object)
  if redis.call("EXISTS", k("evt", event)) == 1 then return end
  redis.call("HSET", k("evt", event), "body", body, "merchant", m, "imp_uid", imp, "type", type_, "sequence", sequence,
    "recorded_at", at, "silent", silent, unpack(sandbox == "1" and {"sandbox", "1"} or {}))
  if about ~= "" then redis.call("HSET", k("evt", event), "about", about) end
  if object ~= "" then redis.call("HSET", k("evt", event), "snap", object) end
  local place = string.format("%s.%03d", at, tonumber(sequence) % 1000)
  list(k("evts"), event, place)
  list(k("evts", "m", m), event, place)
  list(k("evts", "t", type_), event, place)
  if imp ~= "" then list(k("evts", "p", p), event, sequence) end
end

-- First, so that it leaves again if this goes no further.
if imp ~= "" then redis.call("ZADD", k("ageing"), int(now()), p) end
for i = 1, #objects_to_store, 2 do
  if redis.call("HEXISTS", k("snaps", p), objects_to_store[i]) == 0 then store_snapshot(p, objects_to_store[i], objects_to_store[i + 1]) end
end
for i = 1, #events, EVENT_COLUMNS do put_back_event(unpack(events, i, i + EVENT_COLUMNS - 1)) end
for _, d in ipairs(deliveries) do put_back_delivery(d) end
local kicks = announce(lanes)
if #fields == 0 then return {kicks, 1} end

for i = 1, #facts, 2 do redis.call("HSETNX", k("facts", p), facts[i], facts[i + 1]) end
redis.call("HSET", k("pay", p), "first_at", first_at, unpack(fields))
list_payment(p, m, merchant_uid, nil, status, first_at)
if next_look then
  local lane = lane_of_payment(m, imp)
  touch(lane, imp, next_look)
  for _, name in ipairs(announce({[lane] = true})) do kicks[#kicks + 1] = name end
end
return {kicks, 1}
