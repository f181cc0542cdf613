-- Writes what looks (or operators) changed about payments, each in one step, and settles the looks. A change of many facts comes
-- in steps of its own (see schemas/steps.py), each with the version that the one before it has left; the last one settles the look.
--
-- ARGV: how many, then per change:
--       lane ("" for an operator), merchant, imp_uid, token, version it was read at, next look (ms from now or ""),
--       outcome for the notifications it answers ("applied", "unchanged", or "" to let them wait),
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
    doubt = take(), quiet = take() == "1", is_last = take() == "1", bytes = take(), all = take(), loud = take(),
    merchant_uid = take(), status = take(), fields = take_rows(2), facts = take_rows(2), object = take(), shown = take(),
    snap = take(), events = take_rows(5)}
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

-- Whether all steps of a change have room: half of one would only leave the others none.
local function fits(c)
  local deliveries = tonumber(c.loud) * #subscriptions(c.m) / 2
  return has_room(tonumber(c.bytes) + tonumber(c.all) * EVENT_BYTES + deliveries * DELIVERY_BYTES)
end

local function write(c)
  local p = c.m .. "/" .. c.imp
  local pay = k("pay", p)
  if c.lane ~= "" and not holds(c.lane, c.imp, c.token) then return "lost" end
  local version, status, first_at = unpack(redis.call("HMGET", pay, "version", "status", "first_at"))
  if (version or "0") ~= c.version then return "changed" end
  if c.bytes ~= "" and not fits(c) then return "full" end
  local waiting = redis.call("ZRANGEBYSCORE", k("waiting", p), "-inf", c.lane ~= "" and c.token or "+inf")
  -- A quiet look is heard where somebody has asked for one since it began.
  local quiet = c.quiet and redis.call("SISMEMBER", k("quiet", c.lane), c.imp) == 1 and redis.call("ZCARD", k("waiting", p)) == 0

  local is_new = not first_at
  if is_new then
    first_at = int(now())
    c.fields[#c.fields + 1], c.fields[#c.fields + 2] = "first_at", first_at
  end
  redis.call("HSET", pay, unpack(c.fields))
  if c.object ~= "" then redis.call("HSET", pay, "snapshot", c.object) end
  if c.object ~= "" and c.snap ~= "" then keep_snapshot(p, c.snap, c.shown ~= "" and c.shown or c.object) end
  if is_new then redis.call("DEL", k("tomb", p)) end
  for i = 1, #c.facts, 2 do redis.call("HSETNX", k("facts", p), c.facts[i], c.facts[i + 1]) end
  list_payment(p, c.m, c.merchant_uid, first_at, status, c.status)
  list(k("ageing"), p, int(now()))
  record_all(c, quiet)
  if not c.is_last then return "ok" end

  if c.lane ~= "" then forget_claims(p, c.token) end
  if c.outcome ~= "" and #waiting > 0 then
    settle_notifications(waiting, p, c.outcome, "", c.doubt)
    if c.outcome == "applied" then count_day("applied", 1) end
  end
  settle(c)
  return "ok"
end

-- All are read before the first is written.
local changes, answers = {}, {}
for i = 1, tonumber(take()) do changes[i] = read_change() end
for i, change in ipairs(changes) do answers[i] = write(change) end
return {announce(lanes), answers}
