-- Removes payments that have not changed for long, the oldest first, with their events, deliveries and attempts: a few at a time, and only
-- once history has all of them. A payment that still waits for something stays, and is considered again in a day, or sooner if retention is
-- shorter; but no payment waits for a cancellation at a deleted merchant.
-- A payment's record goes first and its events after it; put_back_events.lua and put_back_payment.lua write them the other way round. So
-- the ledger has all events of a payment whose record it has.
-- ARGV: not changed since (ms), where the outbox ended a while ago, when that was (ms), about how many rows to remove, the place that
--       history says it has reached ("" if only Redis was asked)
-- Returns: {payments removed, 1 if more may leave now else 0}; false if history does not have what the outbox had by then, or is being
--          written again
-- uses: orders payments outbox_places records retention
local DAY = 86400000

local before, noted, noted_at, most, place = take_number(), take(), take_number(), take_number(), take_text()
local is_recorded = not is_before(recorded_place(), noted) and not (place and is_before(place, noted))
if not is_recorded or now() < noted_at or redis.call("EXISTS", k("rewriting"), k("lacking")) > 0 then return false end

local function waits_for_something(m, imp, head, has_waiting)
  if awaits_refresh(m, imp) or has_waiting then return true end
  return head and head.is_cancelling and not redis.call("ZSCORE", k("merchants", "deleted"), m)
end

-- Removes a payment from the list of its order; with the last payment, also what the merchant expects for the order.
local function unlist_under_order(m, number, imp)
  if number == "" then return end
  local left = ""
  for _, other in ipairs(payments_of_order(m, number)) do
    if other ~= imp then left = left .. " " .. other end
  end
  if left ~= "" then
    redis.call("HSET", k("pays", m), number, left)
  else
    redis.call("HDEL", k("pays", m), number)
    -- First: from now on, history is asked for the expectation.
    if redis.call("HEXISTS", k("orders", m), number) == 1 then redis.call("HSET", k("orders", m), "", "1") end
    redis.call("HDEL", k("orders", m), number)
  end
end

local function remove_record(p, m, imp, merchant_uid)
  -- First: from now on, history is asked for the payment.
  if tonumber(redis.call("GET", k("left")) or 0) < before then redis.call("SET", k("left"), int(before)) end
  redis.call("HDEL", k("pay", p), "head", "record", "object")
  unlist_under_order(m, merchant_uid, imp)
end

local function stay(p)
  redis.call("ZADD", k("ageing"), int(before + math.min(DAY, now() - before)), p)
end

-- Returns: whether all of the payment has left
local rows = 0
local function remove(p)
  local m, imp = string.match(p, "^([^/]*)/(.*)$")
  local row, head, has_waiting = redis.call("HGETALL", k("pay", p)), nil, false
  for i = 1, #row, 2 do
    if row[i] == "head" then head = parsed_head(row[i + 1]) end
    has_waiting = has_waiting or string.sub(row[i], 1, 2) == "n:"
  end
  local sent = deliveries_in(row)
  if waits_for_something(m, imp, head, has_waiting) or has_pending_delivery(sent) then
    stay(p)
    return false
  end
  if head then
    remove_record(p, m, imp, head.merchant_uid)
    rows = rows + 1
  end
  -- If the row has many events and deliveries, only some go at a time, so that Redis serves others in between.
  local names, events = {}, {}
  for i = 1, #row, 2 do
    if rows >= most then break end
    names[#names + 1] = row[i]
    local event = string.match(row[i], "^e:(.*)$")
    if event then events[#events + 1] = event end
    if string.match(row[i], "^[ed]:") then rows = rows + 1 end
  end
  with_all("HDEL", k("events"), events)
  unlist(sent)
  if 2 * #names < #row then
    with_all("HDEL", k("pay", p), names)
    return false
  end
  redis.call("DEL", k("pay", p))
  redis.call("ZREM", k("ageing"), p)
  return true
end

-- A full Redis allows this command, and then all commands after it.
redis.call("ZREM", k("ageing"), "")
local removed, names = 0, redis.call("ZRANGEBYSCORE", k("ageing"), "-inf", int(before), "LIMIT", 0, most)
for _, p in ipairs(names) do
  if rows >= most then break end
  if remove(p) then removed = removed + 1 end
end
return {removed, (rows >= most or #names >= most) and 1 or 0}
