-- Deletes a merchant; its payments and events stay. Its dirty payments wait in closed lanes until the merchant is put again;
-- tidy_merchants.lua gives them up in the end. `default` keeps its lanes open: it takes webhooks before it is set up.
-- ARGV: merchant
-- Returns: "unknown", "endpoints" (it still has some) or "deleted"
-- uses: lanes merchants outbox
local m = take()
if redis.call("EXISTS", k("merchant", m)) == 0 then return "unknown" end
if redis.call("ZCARD", k("endpoints", "m", m)) > 0 then return "endpoints" end
redis.call("ZREM", k("merchants"), m)
redis.call("DEL", k("merchant", m), k("subs", m))
redis.call("ZADD", k("merchants", "deleted"), int(now()), m)
if not needs_no_row(m) then
  close_lanes(lanes_of_merchant(m))
  index_lanes(lanes_of_merchant(m))
end
mark_changed("merchant", m)
return "deleted"
