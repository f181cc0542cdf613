-- Reads how far the refresh of a payment is.
-- ARGV: merchant, imp_uid
-- Returns: {when it was last looked up (ms, or ""), at how many look-ups i'mport did not know it, 1 while a refresh is due or under way
--          else 0, when a look-up last found that it does not exist for the merchant (ms, or "")}
-- uses: payments records
local m, imp = take(), take()
local p = m .. "/" .. imp
local head = head_of(p)
return {head and head.fetched_at or "", tonumber(redis.call("HGET", k("tries", "unknown/" .. m), imp) or 0),
  awaits_refresh(m, imp) and 1 or 0, redis.call("GET", k("hidden", p)) or ""}
