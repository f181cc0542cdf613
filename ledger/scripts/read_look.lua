-- How far a look at a payment is. ARGV: merchant, imp_uid
-- Answer: {when it was last looked at (ms, or ""), looks that i'mport did not know it at, 1 while a look is due or made else 0,
--         when a look last found that it does not exist for the merchant (ms, or "")}
-- uses: payments
local m, imp = ARGV[1], ARGV[2]
local fetched = redis.call("HGET", k("pay", m .. "/" .. imp), "fetched_at") or ""
local tries, due = tonumber(redis.call("HGET", k("tries", "unknown/" .. m), imp) or "0"), is_awaited(m, imp) and 1 or 0
return {fetched, tries, due, redis.call("GET", k("hidden", m .. "/" .. imp)) or ""}
