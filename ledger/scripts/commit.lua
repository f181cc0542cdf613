-- Writes what looks (or operators) changed about payments, each in one step, and settles the looks. A change of many facts comes
-- in steps of its own (see schemas/payments/commit_steps.py), each with the version that the one before it has left; the last one settles the look.
--
-- ARGV: how many, then per change:
--       lane ("" for an operator), merchant, imp_uid, token, version it was read at, next look (ms from now or ""),
--       outcome for the notifications it answers ("applied", "unchanged", or "" to let them wait),
--       whether a cancellation that one of them spoke of is not found yet (0 or 1): then only those of escrow changes are answered,
--       why their escrow changes are not believed (or ""), quiet (0 or 1),
--       is it the last step (0 or 1), of all steps: bytes, events, events to deliver ("" but in the first of several),
--       merchant_uid, status, how many fields, (field, value)…, how many facts, (key, JSON)…,
--       i'mport's object ("" where an earlier step has brought it), the one that the events show ("" where it is the same),
--       version that this is kept under ("" for no events),
--       how many events, (id, type, sequence, silent, body without the object)…
-- Answer: {lanes to kick, per change "ok",
--         "lost": the lease ended or was used up, nothing is written,
--         "changed": somebody else wrote since, read again, or
--         "full": all steps would take more room than is left, nothing is written}
-- uses: arguments events lanes memory payments snapshots

local EVENT_BYTES, DELIVERY_BYTES = 1200, 1200

local function read_change()
  return {lane = take(), m = take(), imp = take(), token = take(), version = take(), next_look = take(), outcome = take(),
    unresolved = take() == "1", doubt = take(), quiet = take() == "1", is_last = take() == "1", bytes = take(), all = take(),
    loud = take(), merchant_uid = take(), status = take(), fields = take_rows(2), facts = take_rows(2), object = take(),
    shown = take(), snap = take(), events = take_rows(5)}
end

local subscribed, lanes = {}, {}
local function subscriptions(m)
  subscribed[m] = subscribed[m] or redis.call("HGETALL", k("subs", m))
  return subscribed[m]
end

-- Lists a payment under its first time, its order number and its status.
local function list_payment(p, m, merchant_uid, first_at, before, status)
  if not before then
    list(k("pays"), p, first_at)
    list(k("pays", "m", m), p, first_at)
    if merchant_uid ~= "" then list(k("pays", "u", merchant_uid), p, first_at) end
  elseif before ~= status then
    list(k("pays", "s", before), p, nil)
    list(k("pays", "ms", m .. "/" .. before), p, nil)
  end
  if before ~= status then
    list(k("pays", "s", status), p, first_at)
    list(k("pays", "ms", m .. "/" .. status), p, first_at)
  end
end

local function record_all(c, quiet)
  for i = 1, #c.events, 5 do
    local id, kind, sequence, silent, body = unpack(c.events, i, i + 4)
    record(lanes, subscriptions(c.m), c.m, c.imp, id, kind, sequence, silent == "1" or quiet, body, nil, c.snap)
    count("events", 1)
  end
end

-- Ends the lease, and says when to look again.
local function settle(c)
  if c.lane ~= "" then
    redis.call("HDEL", k("tries", c.lane), c.imp)
    if c.quiet then redis.call("SREM", k("quiet", c.lane), c.imp) end
    release(c.lane, c.imp, c.next_look ~= "" and now() + tonumber(c.next_look) or nil)
    -- A payment that turned up in the slow lane goes on in the ordinary one.
    lanes[move(c.lane, "refresh/" .. c.m, c.imp)] = true
  elseif c.next_look ~= "" then
    local lane = lane_of(c.m, c.imp)
    touch(lane, c.imp, now() + tonumber(c.next_look))
    lanes[lane] = true
  end
end

-- Whether all steps of a change have room, beside those that come before it: half of one would only leave the others none.
local promised = 0
local function fits(c)
  local deliveries = tonumber(c.loud) * #subscriptions(c.m) / 2
  local bytes = tonumber(c.bytes) + tonumber(c.all) * EVENT_BYTES + deliveries * DELIVERY_BYTES
  if not has_room(promised + bytes) then return false end
  promised = promised + bytes
  return true
end

-- Reads what a change meets. Answer: "ok" where it can be written
local met, settled = {}, {}
local function meet(c)
  local p = c.m .. "/" .. c.imp
  if c.lane ~= "" and (settled[p] or not holds(c.lane, c.imp, c.token)) then return "lost" end
  c.version_before, c.status_before, c.first_at = unpack(redis.call("HMGET", k("pay", p), "version", "status", "first_at"))
  if (c.version_before or "0") ~= c.version or met[p] then return "changed" end
  if c.bytes ~= "" and not fits(c) then return "full" end
  met[p] = true
  settled[p] = c.lane ~= "" and c.is_last
  c.waiting = redis.call("ZRANGEBYSCORE", k("waiting", p), "-inf", c.lane ~= "" and c.token or "+inf")
  -- A quiet look is heard where somebody has asked for one since it began.
  c.is_unheard = c.quiet and redis.call("SISMEMBER", k("quiet", c.lane), c.imp) == 1
    and redis.call("ZCARD", k("waiting", p)) == 0
  return "ok"
end

-- What is to be heard of a change. Doing it again changes nothing.
local function tell(c)
  if c.object ~= "" and c.snap ~= "" then keep_snapshot(c.m .. "/" .. c.imp, c.snap, c.shown ~= "" and c.shown or c.object) end
  record_all(c, c.is_unheard)
end

-- From now on it is known: nobody will tell of these facts again.
local function write(c)
  local p = c.m .. "/" .. c.imp
  local is_new = not c.first_at
  if is_new then
    c.first_at = int(now())
    c.fields[#c.fields + 1], c.fields[#c.fields + 2] = "first_at", c.first_at
  end
  if c.object ~= "" then c.fields[#c.fields + 1], c.fields[#c.fields + 2] = "snapshot", c.object end
  for i = 1, #c.facts, 2 do redis.call("HSETNX", k("facts", p), c.facts[i], c.facts[i + 1]) end
  redis.call("HSET", k("pay", p), unpack(c.fields))
  list_payment(p, c.m, c.merchant_uid, c.first_at, c.status_before, c.status)
  list(k("ageing"), p, int(now()))
  if is_new then redis.call("DEL", k("tomb", p)) end
  if not c.is_last then return end

  if c.lane ~= "" then forget_claims(p, c.token) end
  -- A look that settles escrow changes forgets them, so their notifications are answered by it.
  if c.unresolved then c.waiting = of_escrow_changes(c.waiting) end
  if c.outcome ~= "" and #c.waiting > 0 then
    settle_notifications(c.waiting, p, c.outcome, "", c.doubt)
    if c.outcome == "applied" then count_day("applied", 1) end
  end
  settle(c)
end

-- All are read before the first is written, and all are told, with the lanes that this changes, before the first is known: Redis
-- may refuse any command, and takes back nothing that was done before it. Then the look is made again.
local changes, answers = {}, {}
for i = 1, tonumber(take()) do changes[i] = read_change() end
for i, change in ipairs(changes) do answers[i] = meet(change) end
for i, change in ipairs(changes) do
  if answers[i] == "ok" then tell(change) end
end
local kicks = announce(lanes)
lanes = {}
for i, change in ipairs(changes) do
  if answers[i] == "ok" then write(change) end
end
for _, lane in ipairs(announce(lanes)) do kicks[#kicks + 1] = lane end
return {kicks, answers}
