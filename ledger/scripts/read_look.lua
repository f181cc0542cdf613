-- How far a look at a payment is. ARGV: merchant, imp_uid
-- Answer: {when it was last looked at (ms, or ""), looks that i'mport did not know it at, 1 while a look is due or made else 0}
local m, imp = ARGV[1], ARGV[2]
local fetched = redis.call("HGET", k("pay", m .. "/" .. imp), "fetched_at") or ""
local tries, due = tonumber(redis.call("HGET", k("tries", "unknown/" .. m), imp) or "0"), 0
for _, lane in ipairs({"refresh/" .. m, "unknown/" .. m}) do
  if redis.call("ZSCORE", k("due", lane), imp) or redis.call("HEXISTS", k("tokens", lane), imp) == 1 then due = 1 end
end
return {fetched, tries, due}
