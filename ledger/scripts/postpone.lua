-- Ends the lease of a payment that could not be refreshed, or that i'mport does not know: due again later, or given up.
-- ARGV: lane, imp_uid, token, to lane, due in (ms, or "" for given up), kind ("again", "stalled", "unknown", "rejected", or
--       "hidden": rejected because it does not exist for the merchant), reason (of the rejection, or why this one payment cannot be
--       refreshed: shown with the latest notifications that wait for it; or ""), tries after this, when the look-up began (ms; "hidden")
-- Returns: {lanes to kick}; none for a lease that was lost
-- uses: lanes leases payments
local HIDDEN_MS, SHOWN_WITH = 86400000, 20

local lane, imp, token, to, due_in, kind, reason, tries, looked_up_at =
  take(), take(), take(), take(), take_number(), take(), take(), take(), take()
local m = name_of(lane)
local p = m .. "/" .. imp
if not holds(lane, imp, token) then return {{}} end
release(lane, imp, due_in and now() + due_in)
redis.call("HDEL", k("tries", lane), imp)
if kind == "rejected" or kind == "hidden" then
  if kind == "hidden" then redis.call("SET", k("hidden", p), looked_up_at, "PX", HIDDEN_MS) end
  settle_notifications(redis.call("ZRANGEBYSCORE", k("waiting", p), "-inf", token), p, "rejected", reason, "")
  drop_reported(p, token)
  redis.call("SREM", k("silent", lane), imp)
else
  redis.call("HSET", k("tries", to), imp, tries)
  if kind == "stalled" then redis.call("ZADD", k("stalled", to), int(now()), imp) end
  if reason ~= "" then
    for _, id in ipairs(redis.call("ZRANGE", k("waiting", p), -SHOWN_WITH, -1)) do redis.call("HSET", k("ntf", id), "trouble", reason) end
  end
end
if to ~= lane and redis.call("SREM", k("silent", lane), imp) == 1 then redis.call("SADD", k("silent", to), imp) end
move(lane, to, imp)
-- An unknown payment waits for its turn, even if webhooks about it have come meanwhile.
if to == "unknown/" .. m then redis.call("ZADD", k("due", to), "XX", "GT", int(now() + UNKNOWN_EVERY), imp) end
return {index_and_kick(to)}
