-- Removes payments that have not changed for long, the oldest first, with their events, deliveries, attempts and notifications: a few
-- at a time, and only once history has all of it. One that still waits for something stays, and is considered again in a day, or sooner
-- where retention is shorter; a cancellation at a merchant that was deleted is not waited for.
-- A payment's record goes first and its events after it, put_back.lua writes them the other way round: so the ledger has all events of a
-- payment whose record it has.
-- ARGV: not changed since (ms), where the outbox ended a while ago, when that was (ms), how many rows to remove, about, place that history
--       has reached, as it says itself ("" where only Redis was asked)
-- Returns: {payments removed, 1 where more may leave now else 0}; false where history does not have what the outbox had, or is being
--          written again
-- uses: payments places retention
local DAY = 86400000

local before, noted, noted_at, most, place = take_number(), take(), take_number(), take_number(), take_text()
local is_recorded = not is_before(recorded_place(), noted) and not (place and is_before(place, noted))
if not is_recorded or now() < noted_at or redis.call("EXISTS", k("rewriting"), k("lacking")) > 0 then return false end

local function waits_for_something(p, m, imp)
  if awaits_refresh(m, imp) or redis.call("ZCARD", k("waiting", p)) > 0 then return true end
  return redis.call("HGET", k("pay", p), "status") == "cancellation_pending" and not redis.call("ZSCORE", k("merchants", "deleted"), m)
end

local function have_pending_delivery(events)
  for _, event in ipairs(events) do
    if has_pending_delivery(event) then return true end
  end
  return false
end

local function remove_record(p, m)
  local merchant_uid = redis.call("HGET", k("pay", p), "merchant_uid")
  -- First, so that whoever looks at it from now on asks history for it.
  if tonumber(redis.call("GET", k("left")) or 0) < before then redis.call("SET", k("left"), int(before)) end
  redis.call("DEL", k("pay", p), k("facts", p), k("reported", p), k("escrow", p))
  if not merchant_uid then return end
  redis.call("ZREM", k("pays", "u", merchant_uid), p)
  if redis.call("EXISTS", k("pays", "u", merchant_uid)) == 0 then redis.call("HDEL", k("orders", m), merchant_uid) end
end

local function stay(p)
  redis.call("ZADD", k("ageing"), int(before + math.min(DAY, now() - before)), p)
end

-- Returns: whether all of the payment has left
local rows = 0
local function remove(p)
  local m, imp = string.match(p, "^([^/]*)/(.*)$")
  local is_whole = redis.call("EXISTS", k("pay", p)) == 1
  local events = redis.call("ZRANGE", k("evts", "p", p), 0, is_whole and -1 or most)
  if waits_for_something(p, m, imp) or have_pending_delivery(events) then
    stay(p)
    return false
  end
  if is_whole then
    remove_record(p, m)
    rows = rows + 1
  end
  local notifications = redis.call("ZRANGE", k("ntfs", "p", p), 0, most)
  for _, event in ipairs(events) do
    if rows >= most then return false end
    remove_event(event)
    redis.call("ZREM", k("evts", "p", p), event)
    rows = rows + 1
  end
  for _, id in ipairs(notifications) do
    if rows >= most then return false end
    remove_notification(id)
    rows = rows + 1
  end
  redis.call("DEL", k("snaps", p), k("blank_snaps", p))
  redis.call("ZREM", k("ageing"), p)
  return true
end

-- Redis allows this when it is full, and then all that follows.
redis.call("ZREM", k("ageing"), "")
local removed, names = 0, redis.call("ZRANGEBYSCORE", k("ageing"), "-inf", int(before), "LIMIT", 0, most)
for _, p in ipairs(names) do
  if rows >= most then break end
  if remove(p) then removed = removed + 1 end
end
return {removed, (rows >= most or #names >= most) and 1 or 0}
