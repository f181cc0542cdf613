-- Forgets a merchant; its payments and events stay. Answer: "unknown", "endpoints" (it still has some) or "deleted".
-- ARGV: merchant
local m = ARGV[1]
if redis.call("EXISTS", k("merchant", m)) == 0 then return "unknown" end
if redis.call("ZCARD", k("endpoints", "m", m)) > 0 then return "endpoints" end
redis.call("ZREM", k("merchants"), m)
redis.call("DEL", k("merchant", m), k("imp_token", m), k("imp_lock", m), k("subs", m))
return "deleted"
