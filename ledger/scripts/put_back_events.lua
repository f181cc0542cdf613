-- Puts back the events and deliveries that this ledger lacks. Pending deliveries go into their lanes and chains, due now at the earliest.
-- ARGV: merchant and imp_uid of their payment (or "" for events of none),
--       how many objects, (version, i'mport's object)…,
--       how many events, (id, merchant, type, sequence, recorded at (ms), silent (0 or 1), sandbox (0 or 1), endpoint that it is
--       about (or ""), version of its object (or ""), body)…,
--       how many deliveries, then per delivery: event, endpoint, type, sequence, state, created at (ms), next attempt at (ms, or ""),
--       reason (or ""), attempts that count, how many were made, replay (or ""), how many attempts, (JSON)…
-- Returns: how many pending deliveries were put back; 0 if this ledger has the record of the payment
-- uses: deliveries endpoints events lanes reasons records rows snapshots

local m, imp = take(), take()
local p = m .. "/" .. imp

local key = k("pay", p)

local function put_back_event(id, of, type_, sequence, at, silent, sandbox, about, snap, body)
  if imp == "" then
    place_event(id, nil)
    list(k("evts", "t", type_), id, at)
  else
    place_event(id, snap .. " " .. p)
    redis.call("HSET", k("events"), id, snap .. " " .. p)
  end
  if event_of(id) then return end
  local row = {type = type_, sequence = sequence, recorded_at = at, silent = silent, sandbox = sandbox == "1" and "1", about = about,
    of = imp == "" and of, body = body}
  redis.call("HSET", row_of(id).key, "e:" .. id, packed(EVENT, row))
end

-- Whether an endpoint wants the events of a payment one after the other.
local function is_ordered(d)
  local subscription = redis.call("HGET", k("subs", d.m), d.ep)
  return imp ~= "" and subscription and string.sub(subscription, 1, 1) == "1"
end

-- Puts a delivery into its lane. Deliveries come by sequence: at an ordered endpoint each waits for the one before. Returns: the lane
local function put_into_lane(d, at)
  if d.replay_id and redis.call("HGET", k("replay", d.replay_id), "state") == "running" then
    redis.call("SADD", k("replaying", d.replay_id), d.id)
    touch("replay/" .. d.ep, d.id, at)
    return "replay/" .. d.ep
  end
  d.replay_id = nil
  local live = "deliver/" .. d.ep
  local latest = is_ordered(d) and latest_delivery(p, d.ep)
  if is_ordered(d) then redis.call("HSET", key, "t:" .. d.ep, d.event) end
  if latest then
    d.waits_for, latest.followed_by = latest.id, d.id
    rewrite(latest)
  else
    touch(live, d.id, at)
  end
  return live
end

local lanes, pending = {}, 0
local function put_back_delivery(id, row, next_at)
  if delivery(id) then return end
  local d = known_delivery(id, row)
  if d.state == "pending" and not registered(d.ep) then
    end_delivery(d, "discarded", because("endpoint_deleted"))
  elseif d.state == "pending" then
    local at = math.max(next_at or 0, now())
    d.next_at = next_at and int(next_at)
    lanes[put_into_lane(d, at)] = true
    pending = pending + 1
  end
  if d.state ~= "pending" then d.replay_id = nil end
  d.replay = d.replay_id and "1" or "0"
  rewrite(d)
  relist(d)
end

if imp ~= "" then
  if has_record(p) then return 0 end
  redis.call("ZADD", k("ageing"), int(now()), p)  -- so that the events leave again if the record never comes
end
local objects = take_rows(2)
for i = 1, #objects, 2 do with_all("HSET", key, snapshot_fields(p, objects[i], objects[i + 1])) end
local COLUMNS, merchant_of = 10, {}
local events = take_rows(COLUMNS)
for i = 1, #events, COLUMNS do
  merchant_of[events[i]] = events[i + 1]
  put_back_event(unpack(events, i, i + COLUMNS - 1))
end
for _ = 1, take_number() do
  local event, ep = take(), take()
  local row = {type = take(), sequence = take(), state = take(), created_at = take()}
  local next_at = take_number()
  row.reason, row.attempts, row.made, row.replay_id, row.log = take_text(), take(), take(), take_text(), take_rows(1)
  row.of = imp == "" and merchant_of[event]
  put_back_delivery(event .. "." .. ep, row, next_at)
end
for lane in pairs(lanes) do index_lane(lane) end
return pending
