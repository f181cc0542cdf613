-- Deletes a merchant; its payments and events stay. Its dirty payments wait in closed lanes until the merchant is added again;
-- tidy_merchants.lua gives them up in the end. `default` keeps its lanes open: it takes webhooks before it is set up.
-- ARGV: merchant
-- Returns: "unknown", "endpoints" (it still has some) or "deleted"
-- uses: lanes merchants outbox
local m = take()
local created = redis.call("HGET", k("merchant", m), "created_at")
if not created then return "unknown" end
if redis.call("ZCARD", k("endpoints", "m", m)) > 0 then return "endpoints" end
append_entry_of("merchant", {name = m, created_at = tonumber(created), changed_at = now(), deleted_at = now(),
  row = packed_hash(k("merchant", m)), revision = revision()})
redis.call("ZREM", k("merchants"), m)
redis.call("DEL", k("merchant", m), k("subs", m))
if not needs_no_row(m) then
  redis.call("ZADD", k("merchants", "deleted"), int(now()), m)
  close_lanes(lanes_of_merchant(m))
  index_lanes(lanes_of_merchant(m))
end
return "deleted"
