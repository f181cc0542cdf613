-- Removes a payment with its events, deliveries, attempts and notifications, and leaves a tombstone for two years.
-- One that still waits for something (a cancellation at a merchant that was deleted waits in vain) stays, and is asked about again in a day, or sooner where retention is shorter.
-- ARGV: merchant, imp_uid, version, before (ms), tombstone (JSON, or "" for none)
-- Answer: "gone", "stays", or "more" where a call does not remove all of its events and notifications: the oldest of them have left
-- uses: payments retention
local MOST = 200

local m, imp = ARGV[1], ARGV[2]
local p = m .. "/" .. imp
local row = redis.call("HMGET", k("pay", p), "version", "status", "merchant_uid")
local age = redis.call("ZSCORE", k("ageing"), p)
if row[1] ~= ARGV[3] or not age or tonumber(age) > tonumber(ARGV[4]) then return "stays" end

local lane = lane_of(m, imp)
local waits = redis.call("HEXISTS", k("tokens", lane), imp) == 1 or redis.call("ZSCORE", k("due", lane), imp)
  or redis.call("ZCARD", k("waiting", p)) > 0
  or row[2] == "cancellation_pending" and not redis.call("ZSCORE", k("merchants", "deleted"), m)
local events = redis.call("ZRANGE", k("evts", "p", p), 0, -1)
for _, event in ipairs(events) do
  for _, ep in ipairs(redis.call("SMEMBERS", k("dlvs", "v", event))) do
    waits = waits or redis.call("HGET", k("dlv", event .. "." .. ep), "state") == "pending"
  end
end
if waits then
  local before = tonumber(ARGV[4])
  redis.call("ZADD", k("ageing"), int(before + math.min(86400000, now() - before)), p)
  return "stays"
end

local notifications = redis.call("ZRANGE", k("ntfs", "p", p), 0, MOST)
for i = 1, math.min(#events, MOST) do
  forget_event(events[i])
  redis.call("ZREM", k("evts", "p", p), events[i])
end
for i = 1, math.min(#notifications, MOST) do forget_notification(notifications[i]) end
if #events > MOST or #notifications > MOST then return "more" end
redis.call("DEL", k("pay", p), k("facts", p), k("snaps", p), k("evts", "p", p), k("ntfs", "p", p), k("claims", p),
  k("escrow", p))
redis.call("ZREM", k("ageing"), p)
redis.call("ZREM", k("pays"), p)
redis.call("ZREM", k("pays", "m", m), p)
redis.call("ZREM", k("pays", "u", row[3] or ""), p)
redis.call("ZREM", k("pays", "s", row[2]), p)
redis.call("ZREM", k("pays", "ms", m .. "/" .. row[2]), p)
if row[3] and redis.call("EXISTS", k("pays", "u", row[3])) == 0 then redis.call("HDEL", k("orders", m), row[3]) end
if ARGV[5] ~= "" then redis.call("SET", k("tomb", p), ARGV[5], "EX", 63072000) end
return "gone"
