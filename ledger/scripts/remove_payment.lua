-- Removes a payment with its events, deliveries, attempts and notifications, and leaves a tombstone for two years. One that still waits
-- for something stays, and is considered again in a day, or sooner where retention is shorter; a cancellation at a merchant that was
-- deleted is not waited for.
-- ARGV: merchant, imp_uid, version, not changed since (ms), tombstone (JSON, or "" for none)
-- Returns: "gone", "stays", or "more" where the oldest of its events and notifications were removed and others are left
-- uses: lanes payments retention
local MOST, DAY, TOMBSTONE_SECONDS = 200, 86400000, 63072000

local m, imp, version, before, tombstone = take(), take(), take(), take_number(), take_text()
local p = m .. "/" .. imp
local found, status, merchant_uid = unpack(redis.call("HMGET", k("pay", p), "version", "status", "merchant_uid"))
local age = redis.call("ZSCORE", k("ageing"), p)
if found ~= version or not age or tonumber(age) > before then return "stays" end

local events = redis.call("ZRANGE", k("evts", "p", p), 0, -1)
local waits = is_due_or_leased(lane_of_payment(m, imp), imp) or redis.call("ZCARD", k("waiting", p)) > 0
  or status == "cancellation_pending" and not redis.call("ZSCORE", k("merchants", "deleted"), m)
for _, event in ipairs(events) do waits = waits or has_pending_delivery(event) end
if waits then
  redis.call("ZADD", k("ageing"), int(before + math.min(DAY, now() - before)), p)
  return "stays"
end

local notifications = redis.call("ZRANGE", k("ntfs", "p", p), 0, MOST)
for i = 1, math.min(#events, MOST) do
  remove_event(events[i])
  redis.call("ZREM", k("evts", "p", p), events[i])
end
for i = 1, math.min(#notifications, MOST) do remove_notification(notifications[i]) end
if #events > MOST or #notifications > MOST then return "more" end
redis.call("DEL", k("pay", p), k("facts", p), k("snaps", p), k("evts", "p", p), k("ntfs", "p", p), k("reported", p),
  k("escrow", p))
redis.call("ZREM", k("ageing"), p)
redis.call("ZREM", k("pays"), p)
redis.call("ZREM", k("pays", "m", m), p)
redis.call("ZREM", k("pays", "u", merchant_uid or ""), p)
redis.call("ZREM", k("pays", "s", status), p)
redis.call("ZREM", k("pays", "ms", m .. "/" .. status), p)
if merchant_uid and redis.call("EXISTS", k("pays", "u", merchant_uid)) == 0 then redis.call("HDEL", k("orders", m), merchant_uid) end
if tombstone then redis.call("SET", k("tomb", p), tombstone, "EX", TOMBSTONE_SECONDS) end
return "gone"
