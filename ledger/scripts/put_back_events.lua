-- Puts back events with their deliveries, as far as this ledger lacks them; those that are pending go into their lanes and chains, at a time that is no earlier than now.
-- ARGV: merchant and imp_uid of their payment (or "" for events of none),
--       how many objects, (version, i'mport's object)…,
--       how many events, (id, merchant, type, sequence, recorded at (ms), silent (0 or 1), sandbox (0 or 1), endpoint that it is
--       about (or ""), version of its object (or ""), body)…,
--       how many deliveries, then per delivery: event, endpoint, type, sequence, state, created at (ms), next attempt at (ms, or ""),
--       reason (or ""), attempts that count, how many were made, replay (or ""), how many attempts, (JSON)…
-- Returns: how many deliveries are pending that were put back: none of a payment, or of an event of none, that this ledger has
-- uses: endpoints lanes lists reasons snapshots

local m, imp = take(), take()
local p = m .. "/" .. imp

local function put_back_event(event, of, type_, sequence, at, silent, sandbox, about, snap, body)
  if redis.call("EXISTS", k("evt", event)) == 1 then return end
  redis.call("HSET", k("evt", event), "body", body, "merchant", of, "imp_uid", imp, "type", type_, "sequence", sequence,
    "recorded_at", at, "silent", silent, unpack(sandbox == "1" and {"sandbox", "1"} or {}))
  if about ~= "" then redis.call("HSET", k("evt", event), "about", about) end
  if snap ~= "" then redis.call("HSET", k("evt", event), "snap", snap) end
  list_event(event, of, imp, type_, sequence, at)
end

-- Whether an endpoint wants the events of a payment one after the other.
local function is_ordered(d)
  local subscription = redis.call("HGET", k("subs", d.m), d.ep)
  return imp ~= "" and subscription and string.sub(subscription, 1, 1) == "1"
end

-- They come in any order: only the first of a chain is in the lane.
local function put_into_lane(id, d)
  local at = math.max(d.next_at or 0, now())
  if d.replay and redis.call("HGET", k("replay", d.replay), "state") == "running" then
    redis.call("SADD", k("replaying", d.replay), id)
    touch("replay/" .. d.ep, id, at)
    return "replay/" .. d.ep
  end
  local live = "deliver/" .. d.ep
  if is_ordered(d) then
    local chain = k("chain", d.ep .. "/" .. p)
    local before = redis.call("ZRANGE", chain, 0, 0)[1]
    redis.call("ZADD", chain, d.sequence, id)
    if redis.call("ZRANGE", chain, 0, 0)[1] ~= id then return live end
    if before and before ~= id then redis.call("ZREM", k("due", live), before) end
  end
  touch(live, id, at)
  return live
end

local lanes, pending = {}, 0
local function put_back_delivery(d)
  local id = d.event .. "." .. d.ep
  if redis.call("EXISTS", k("dlv", id)) == 1 then return end
  if d.state == "pending" and not registered(d.ep) then
    d.state, d.reason, d.next_at, d.replay = "discarded", because("endpoint_deleted"), nil, nil
  end
  local is_pending = d.state == "pending"
  if is_pending then
    lanes[put_into_lane(id, d)] = true
    pending = pending + 1
  else
    d.replay = nil
  end
  redis.call("SADD", k("dlvs", "v", d.event), d.ep)
  redis.call("DEL", k("att", id))
  with_all("RPUSH", k("att", id), d.attempts)
  redis.call("HSET", k("dlv", id), "event", d.event, "endpoint", d.ep, "merchant", d.m, "imp_uid", imp, "type", d.type,
    "sequence", d.sequence, "state", d.state, "attempts", d.used, "made", d.made, "next_at", d.next_at and int(d.next_at) or "",
    "reason", d.reason, "created_at", d.created, "replay", d.replay and "1" or "0", unpack(d.replay and {"replay_id", d.replay} or {}))
  list_delivery(id, d.ep, d.state, d.created)
end

if imp ~= "" then
  if redis.call("EXISTS", k("pay", p)) == 1 then return 0 end
  redis.call("ZADD", k("ageing"), int(now()), p)  -- they leave again if the record never comes
end
local objects = take_rows(2)
for i = 1, #objects, 2 do store_snapshot(k("snaps", p), objects[i], objects[i + 1]) end
local COLUMNS, merchant_of = 10, {}
local events = take_rows(COLUMNS)
for i = 1, #events, COLUMNS do
  merchant_of[events[i]] = events[i + 1]
  put_back_event(unpack(events, i, i + COLUMNS - 1))
end
for _ = 1, take_number() do
  local d = {event = take(), ep = take(), type = take(), sequence = take(), state = take(), created = take(), next_at = take_number(),
    reason = take(), used = take(), made = take(), replay = take_text(), attempts = take_rows(1)}
  d.m = merchant_of[d.event] or m
  put_back_delivery(d)
end
for lane in pairs(lanes) do index_lane(lane) end
return pending
