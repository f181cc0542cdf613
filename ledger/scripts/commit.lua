-- Writes what refreshes (or operators) changed about payments, each change in one step, and settles the refreshes. A change of many
-- facts comes in several steps (see schemas/payments/commit_steps.py), each with the version that the one before it left; the last
-- one settles the refresh.
-- ARGV: how many, then per change:
--       lane ("" for an operator), merchant, imp_uid, token, version it was read at, next refresh (ms from now, or ""),
--       outcome for the notifications that it answers ("applied", "unchanged", or "" to let them wait),
--       whether a reported cancellation is not found yet (0 or 1): then only notifications of escrow changes are answered,
--       why the reported escrow changes are not trusted (or ""), silent (0 or 1),
--       whether it is the last step (0 or 1), of all steps: bytes, events, events to deliver ("" but in the first of several),
--       merchant_uid, how many fields, (field, value)…, how many facts, (key, JSON)…,
--       i'mport's object ("" where an earlier step brought it), the one that the events show ("" where it is the same),
--       version under which this is stored ("" for no events),
--       how many events, (id, type, sequence, silent (0 or 1), sandbox (0 or 1), filters that cover its type, body without the object,
--       entry for history)…,
--       entry of the payment for history, and of the object that several events share (or "")
-- Returns: {lanes to kick, per change "ok",
--          "lost": the lease ended or was used up, nothing is written,
--          "changed": the record was written since it was read, read it again, or
--          "full": all steps would take more memory than is left, nothing is written}
-- uses: events lanes leases memory outbox payments snapshots

local EVENT_BYTES, DELIVERY_BYTES, COLUMNS = 1200, 1200, 8

local function read_change()
  return {lane = take_text(), m = take(), imp = take(), token = take(), version = take(), next_refresh = take_number(),
    outcome = take_text(), is_unresolved = take_flag(), doubt = take(), is_silent = take_flag(), is_last = take_flag(),
    bytes = take_number(), all = take_number(), to_deliver = take_number(), merchant_uid = take(),
    fields = take_rows(2), facts = take_rows(2), object = take_text(), shown = take_text(), snap = take_text(),
    events = take_rows(COLUMNS), entry = take(), shared_object = take_text()}
end

local subscribed, lanes = {}, {}
local function subscriptions(m)
  subscribed[m] = subscribed[m] or redis.call("HGETALL", k("subs", m))
  return subscribed[m]
end

-- Ends the lease, with the time of the next refresh.
local function settle(c)
  local at = c.next_refresh and now() + c.next_refresh
  if c.lane then
    redis.call("HDEL", k("tries", c.lane), c.imp)
    if c.is_silent then redis.call("SREM", k("silent", c.lane), c.imp) end
    release(c.lane, c.imp, at)
    -- A payment of the slow lane that i'mport knows goes on in the ordinary one.
    lanes[move(c.lane, "refresh/" .. c.m, c.imp)] = true
  elseif at then
    local lane = lane_of_payment(c.m, c.imp)
    touch(lane, c.imp, at)
    lanes[lane] = true
  end
end

-- Whether there is memory for all steps of a change, beside the changes before it: half of one would only leave none for the rest.
local promised = 0
local function fits(c)
  local deliveries = c.to_deliver * #subscriptions(c.m) / 2
  local bytes = c.bytes + c.all * EVENT_BYTES + deliveries * DELIVERY_BYTES
  if not has_memory_for(promised + bytes) then return false end
  promised = promised + bytes
  return true
end

-- The field of this name among (field, value)…, or nil.
local function field_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

-- Reads the record that a change applies to. Returns: "ok" if the change can be written
local met, settled = {}, {}
local function meet(c)
  local p = c.m .. "/" .. c.imp
  if c.lane and (settled[p] or not holds(c.lane, c.imp, c.token)) then return "lost" end
  local announced
  c.version_before, c.first_at, announced, c.fetched_at =
    unpack(redis.call("HMGET", k("pay", p), "version", "first_at", "announced", "fetched_at"))
  c.is_announced = announced == "1"
  c.fetched_at = number_in(field_of(c.fields, "fetched_at") or c.fetched_at)
  if (c.version_before or "0") ~= c.version or met[p] then return "changed" end
  if c.bytes and not fits(c) then return "full" end
  met[p] = true
  settled[p] = c.lane and c.is_last
  c.waiting = redis.call("ZRANGEBYSCORE", k("waiting", p), "-inf", c.lane and c.token or "+inf")
  -- A silent refresh delivers after all where one that delivers was requested since it began.
  c.stays_silent = c.is_silent and redis.call("SISMEMBER", k("silent", c.lane), c.imp) == 1
    and redis.call("ZCARD", k("waiting", p)) == 0
  return "ok"
end

-- The events of a change and their deliveries. Doing it again changes nothing.
local function record_events(c)
  if c.shared_object then append_entry(c.shared_object) end
  if c.object and c.snap then store_snapshot(k("snaps", c.m .. "/" .. c.imp), c.snap, c.shown or c.object) end
  for i = 1, #c.events, COLUMNS do
    local event, type_, sequence, silent, sandbox, filters, body, entry = unpack(c.events, i, i + COLUMNS - 1)
    local e = {event = event, m = c.m, imp = c.imp, type = type_, sequence = sequence, silent = silent == "1" or c.stays_silent,
      sandbox = sandbox == "1", filters = filters, body = body, snap = c.snap, entry = entry}
    if not e.silent then c.is_announced = true end
    record_event(e)
    deliver_to_subscribers(lanes, e, subscriptions(c.m))
    count("events", 1)
  end
end

-- Those of these notifications that report an escrow change.
local function of_escrow_changes(ids)
  local found = {}
  for _, id in ipairs(ids) do
    if redis.call("HEXISTS", k("ntf", id), "escrow") == 1 then found[#found + 1] = id end
  end
  return found
end

-- Once the facts are written, their events are never recorded again.
local function write(c)
  local p = c.m .. "/" .. c.imp
  local is_new = not c.first_at
  if is_new then
    c.first_at = int(now())
    c.fields[#c.fields + 1], c.fields[#c.fields + 2] = "first_at", c.first_at
  end
  if c.object then c.fields[#c.fields + 1], c.fields[#c.fields + 2] = "snapshot", c.object end
  for i = 1, #c.facts, 2 do redis.call("HSETNX", k("facts", p), c.facts[i], c.facts[i + 1]) end
  if c.is_announced then c.fields[#c.fields + 1], c.fields[#c.fields + 2] = "announced", "1" end
  redis.call("HSET", k("pay", p), unpack(c.fields))
  append_entry(c.entry, {first_at = tonumber(c.first_at), changed_at = now(), fetched_at = c.fetched_at,
    next_look_at = c.next_refresh and now() + c.next_refresh or nil, silent = not c.is_announced, revision = revision()})
  if is_new then list_payment(p, c.merchant_uid, c.first_at) end
  list(k("ageing"), p, int(now()))
  if not c.is_last then return end

  if c.lane then drop_reported(p, c.token) end
  -- A refresh that settles escrow changes removes them, so it answers their notifications.
  if c.is_unresolved then c.waiting = of_escrow_changes(c.waiting) end
  if c.outcome and #c.waiting > 0 then
    settle_notifications(c.waiting, p, c.outcome, "", c.doubt)
    if c.outcome == "applied" then count_day("applied", 1) end
  end
  settle(c)
end

-- All are read before the first is written, and all events are recorded and their lanes indexed before the first change is known: Redis
-- may refuse any command, and takes back nothing that was done before it. Then the refresh is made again.
local changes, answers = {}, {}
for i = 1, take_number() do changes[i] = read_change() end
for i, change in ipairs(changes) do answers[i] = meet(change) end
for i, change in ipairs(changes) do
  if answers[i] == "ok" then record_events(change) end
end
local kicks = announce(lanes)
append_to_outbox()
lanes = {}
for i, change in ipairs(changes) do
  if answers[i] == "ok" then write(change) end
end
for _, lane in ipairs(announce(lanes)) do kicks[#kicks + 1] = lane end
return {kicks, answers}
