-- Writes what refreshes (or operators) changed about payments, each change in one step, and settles the refreshes. A change of many
-- facts comes in several steps (see schemas/payments/commit_steps.py), each with the version that the one before it left; the last
-- one settles the refresh. What is due in a few of the lanes that this fills is claimed at once, if the worker sends it itself.
-- ARGV: how many deliveries to claim in a lane (0: none at all), lease of these (ms), places of an endpoint that has answered nothing
--       yet, how many changes, then per change:
--       lane ("" for an operator), merchant, imp_uid, token, version it was read at, version, next refresh (ms from now, or ""),
--       silent (0 or 1), whether it is the last step (0 or 1), whether a cancellation is open (0 or 1),
--       of all steps: bytes, events, events to deliver ("" but in the first of several),
--       merchant_uid, when it was looked up (ms, or "" for an operator), when its latest webhook came, and the first of those that are
--       answered (ms, or ""),
--       traceparent of the commit (or ""),
--       record, i'mport's object (or "" where an earlier step brought it, or it is what the events show), the one that the events show
--       (or "" where an earlier step brought it), version under which this is stored ("" for no events),
--       how many events, (id, type, sequence, silent (0 or 1), sandbox (0 or 1), filters that cover its type, body without the object,
--       entry for history)…,
--       entry of the payment for history, and of the object that several events share (or ""),
--       whether webhooks brought facts (0 or 1), how many notifications are answered, (id, entry)…
-- Returns: {lanes to kick, {answers, what is claimed per lane (see claiming.lua), objects of that, then per lane whose claim failed: lane,
--          error}}; the answer to a change is "ok",
--          "lost": the lease ended or was used up, nothing is written,
--          "changed": the record was written since it was read, read it again, or
--          "full": all steps would take more memory than is left, nothing is written
-- uses: claiming deliveries events lanes leases memory notifications orders outbox payments records rows snapshots

local EVENT_BYTES, DELIVERY_BYTES, COLUMNS = 1200, 1200, 8
-- So many lanes are claimed at once; the others are kicked.
local MOST_CLAIMED = 4

local function read_change()
  return {lane = take_text(), m = take(), imp = take(), token = take(), version_before = take(), version = take(),
    next_refresh = take_number(), is_silent = take_flag(), is_last = take_flag(), is_cancelling = take_flag(),
    bytes = take_number(), all = take_number(), to_deliver = take_number(), merchant_uid = take(),
    fetched_at = take_text(), webhook_at = take_text(), first_webhook_at = take_text(), trace = take_text(), record = take(),
    object = take_text(), shown = take_text(), snap = take_text(),
    events = take_rows(COLUMNS), entry = take(), shared_object = take_text(), is_applied = take_flag(), answered = take_rows(2)}
end

-- `indexed`: what goes into `events`; `due`: lane -> deliveries that go into it; `ready`: those of these lanes that can be claimed.
local subscribed, lanes, indexed, due, ready = {}, {}, {}, {}, {}
local function subscriptions(m)
  subscribed[m] = subscribed[m] or redis.call("HGETALL", k("subs", m))
  return subscribed[m]
end

-- Whether there is memory for all steps of a change, on top of the changes before it. If only the first steps fit, they would use up
-- memory, and the last ones would still fail.
local promised = 0
local function fits(c)
  local deliveries = c.to_deliver * #subscriptions(c.m) / 2
  local bytes = c.bytes + c.all * EVENT_BYTES + deliveries * DELIVERY_BYTES
  if not has_memory_for(promised + bytes) then return false end
  promised = promised + bytes
  return true
end

-- Reads the tokens of the changes' leases, by one command a lane. Returns: tokens by lane and imp_uid
local function read_tokens(changes)
  local members, tokens = {}, {}
  for _, c in ipairs(changes) do
    if c.lane then
      members[c.lane] = members[c.lane] or {}
      table.insert(members[c.lane], c.imp)
    end
  end
  for lane, imps in pairs(members) do tokens[lane] = tokens_of(lane, imps) end
  return tokens
end

-- Reads the record that a change applies to. Returns: "ok" if the change can be written
local met, settled = {}, {}
local function meet(c, tokens)
  c.p = c.m .. "/" .. c.imp
  if c.lane and (settled[c.p] or tokens[c.lane][c.imp] ~= c.token) then return "lost" end
  local head, event = unpack(redis.call("HMGET", k("pay", c.p), "head", "e:" .. (c.events[1] or "")))
  c.before = parsed_head(head or nil)
  c.is_known_in_part = event and not c.before
  if (c.before and c.before.version or "0") ~= c.version_before or met[c.p] then return "changed" end
  if c.bytes and not fits(c) then return "full" end
  met[c.p] = true
  settled[c.p] = c.lane and c.is_last
  -- A silent refresh delivers after all if a refresh that delivers was requested since it began, or if a webhook waits for it.
  c.stays_silent = c.is_silent and redis.call("SISMEMBER", k("silent", c.lane), c.imp) == 1 and #names_in(k("pay", c.p), "n:") == 0
  return "ok"
end

-- Adds the delivery of an event to an endpoint. If the endpoint is ordered, it waits for the payment's latest delivery that is not over.
local function deliver(c, e, ep, is_ordered)
  local id = e.id .. "." .. ep
  -- A row can have events but no record, while the payment is put back or removed. These events are not sent again.
  if c.is_known_in_part and delivery(id) then return end
  local d = new_delivery(e, ep, "0")
  c.deliveries[#c.deliveries + 1] = d
  local is_first = not (c.latest[ep] or c.before or c.is_known_in_part)
  local latest = is_ordered and not is_first and (c.latest[ep] or latest_delivery(c.p, ep))
  if latest then
    latest.followed_by, d.waits_for = id, latest.id
    if not c.latest[ep] then put_delivery(latest, c.row) end
  else
    due["deliver/" .. ep] = due["deliver/" .. ep] or {}
    table.insert(due["deliver/" .. ep], id)
  end
  if is_ordered then
    if not is_first then c.row[#c.row + 1], c.row[#c.row + 2] = "t:" .. ep, e.id end
    c.latest[ep] = d
  elseif not is_first then
    c.outdated[#c.outdated + 1] = "t:" .. ep  -- from a time when it was ordered
  end
end

-- The events of a change and their deliveries, as fields of the payment's row.
local function record_events(c)
  if c.shared_object then append_entry(c.shared_object) end
  c.row = c.shown and snapshot_fields(c.p, c.snap, c.shown) or {}
  c.deliveries, c.latest, c.outdated = {}, {}, {}
  for i = 1, #c.events, COLUMNS do
    local event, type_, sequence, silent, sandbox, filters, body, entry = unpack(c.events, i, i + COLUMNS - 1)
    local of = (c.snap or "") .. " " .. c.p
    indexed[#indexed + 1] = event
    indexed[#indexed + 1] = of
    place_event(event, of)
    local e = {id = event, type = type_, sequence = sequence, silent = (silent == "1" or c.stays_silent) and "1" or "0",
      sandbox = sandbox == "1" and "1", filters = filters, body = body, entry = entry,
      webhook_at = c.first_webhook_at, trace = c.trace}
    if e.silent == "0" then c.is_announced = true end
    put_event(e, c.row)
    append_event(e, c.m)
    local endpoints, ordered = subscribers(e, subscriptions(c.m))
    for _, ep in ipairs(endpoints) do deliver(c, e, ep, ordered[ep]) end
    count("events", 1)
  end
  for _, d in ipairs(c.deliveries) do
    put_delivery(d, c.row)
    mark_changed("delivery", d.id)
  end
end

-- Makes new deliveries of a lane due, and indexes the lane. If others were due before them, the index is right as it is, which saves most
-- of the work for endpoints that do not keep up. It may be wrong if the lane has no entry, or if a script that had added some of these
-- deliveries ended halfway.
-- Returns: when the lane needs a worker (ms), or nil
local function fill_lane(lane, ids)
  touched_lanes[lane] = true
  local due, time = {}, this_moment()
  for i, id in ipairs(ids) do due[2 * i - 1], due[2 * i] = time, id end
  local are_new = with_all("ZADD", k("due", lane), due) == #ids
  local first = first_due(lane)
  local indexed_at = are_new and first < now() and redis.call("ZSCORE", k("lanes"), lane)
  local at = indexed_at and tonumber(indexed_at) or index_lane(lane, first)
  touched_lanes[lane] = nil
  return at
end

-- Makes deliveries due before they are written: if Redis then refuses to write one, a claim does not find it and drops it.
local function fill_lanes()
  with_all("HSET", k("events"), indexed)
  for lane, ids in pairs(due) do
    local at = fill_lane(lane, ids)  -- the lanes that share its capacity need not be indexed anew
    if at and at <= now() then ready[#ready + 1] = lane end
  end
end

-- Makes the record's new head, and the entries for the record and the notifications that it answers: history gets these first.
local function record_change(c)
  local before = c.before or {}
  c.head = {version = c.version, first_at = before.first_at or int(now()), fetched_at = c.fetched_at or before.fetched_at or "",
    webhook_at = c.webhook_at or before.webhook_at or "", snap = before.snap or "",
    is_announced = c.is_announced or before.is_announced or false,
    is_cancelling = c.is_cancelling, merchant_uid = c.merchant_uid}
  if c.object then
    c.head.snap = ""
  elseif c.shown then
    c.head.snap = c.snap
  end
  append_entry(c.entry, {first_at = tonumber(c.head.first_at), changed_at = now(), fetched_at = number_in(c.head.fetched_at),
    next_look_at = c.next_refresh and now() + c.next_refresh or nil, silent = not c.head.is_announced, revision = revision()})
  for i = 2, #c.answered, 2 do append_entry(c.answered[i]) end
end

-- Writes the row of a payment. The record comes last, in one command with its events unless they are very many: once it is written, its
-- events are never recorded again.
local function write(c)
  local row = c.row
  local object = c.object or c.before and c.before.snap == "" and c.head.snap ~= "" and ""  -- an event shows it now
  if object then row[#row + 1], row[#row + 2] = "object", object end
  put_settled(c.answered, row)
  for _, cell in ipairs({"record", c.record, "head", head_text(c.head)}) do row[#row + 1] = cell end
  with_all("HDEL", k("pay", c.p), c.outdated)  -- first: without these fields, scripts look for the latest delivery in the row
  with_all("HSET", k("pay", c.p), row)
  for _, d in ipairs(c.deliveries) do relist(d) end
  list(k("ageing"), c.p, this_moment())
  remove_waiting(c.p, c.answered)
  if c.is_applied then count_day("applied", 1) end
end

-- Ends leases of a lane, and sets when each payment is refreshed next.
local function settle(lane, changes)
  local imps, due, silent, tokens = {}, {}, {}, {}
  for i, c in ipairs(changes) do
    imps[i] = c.imp
    due[c.imp] = c.next_refresh and now() + c.next_refresh
    if c.is_silent then silent[#silent + 1] = c.imp end
    tokens[c.token] = true
  end
  for token in pairs(tokens) do end_turn(lane, token) end
  redis.call("HDEL", k("tries", lane), unpack(imps))
  with_all("SREM", k("silent", lane), silent)
  release_all(lane, imps, due)
  -- A payment of the slow lane that i'mport knows goes on in the ordinary one.
  local m = changes[1].m
  for _, imp in ipairs(imps) do move(lane, "refresh/" .. m, imp) end
  lanes["refresh/" .. m] = true
end

-- Claims in the first of the lanes that were filled; the others are to be kicked. The changes are written: a claim that fails leaves its
-- lane to a kick. Returns: claims, lanes to kick, and {lane, error, …} of those that failed
local function claim_some(most, lease_ms, first_places)
  local claims, kicks, failed = {}, {}, {}
  for i, lane in ipairs(ready) do
    if most > 0 and i <= MOST_CLAIMED then
      lanes[lane] = true
      local done, claim = pcall(function() return claim_deliveries(lanes, lane, most, lease_ms, first_places) end)
      if done then
        claims[#claims + 1] = claim
      else
        failed[#failed + 1], failed[#failed + 2] = lane, type(claim) == "table" and claim.err or tostring(claim)
      end
    elseif kick(lane, now()) then
      kicks[#kicks + 1] = lane
    end
  end
  return claims, kicks, failed
end

-- All changes are read before the first is written. All events are in the outbox and their lanes indexed before the first record is
-- written: Redis may refuse any command, and does not undo those before it. Then the refresh is made again.
local changes, answers, written = {}, {}, {}
local most, lease_ms, first_places = take_number(), take_number(), take_number()
for i = 1, take_number() do changes[i] = read_change() end
local tokens = read_tokens(changes)
for i, change in ipairs(changes) do
  answers[i] = meet(change, tokens)
  if answers[i] == "ok" then written[#written + 1] = change end
end
for _, change in ipairs(written) do record_events(change) end
for _, change in ipairs(written) do record_change(change) end
fill_lanes()
append_to_outbox()
local new, ended = {}, {}
for _, c in ipairs(written) do
  if not c.before then
    new[c.m] = new[c.m] or {}
    table.insert(new[c.m], {c.imp, c.merchant_uid})
  end
end
for m, rows in pairs(new) do list_under_orders(m, rows) end
for _, c in ipairs(written) do
  write(c)
  if c.lane and c.is_last then
    ended[c.lane] = ended[c.lane] or {}
    table.insert(ended[c.lane], c)
  elseif c.next_refresh then
    lanes[mark_dirty(c.m, c.imp, now() + c.next_refresh)] = true
  end
end
for lane, some in pairs(ended) do settle(lane, some) end
local claims, kicks, failed = claim_some(most, lease_ms, first_places)
for _, lane in ipairs(announce(lanes)) do kicks[#kicks + 1] = lane end
return {kicks, {answers, claims, objects, unpack(failed)}}
