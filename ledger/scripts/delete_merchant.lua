-- Forgets a merchant; its payments and events stay. Answer: "unknown", "endpoints" (it still has some) or "deleted".
-- What is to be looked at waits in closed lanes for the merchant to be put again; tidy_merchants.lua gives it up in the end.
-- `default` is never gone: its webhooks are taken before anybody has set it up, and its open lane is what tells of them.
-- ARGV: merchant
-- uses: lanes
local m = ARGV[1]
if redis.call("EXISTS", k("merchant", m)) == 0 then return "unknown" end
if redis.call("ZCARD", k("endpoints", "m", m)) > 0 then return "endpoints" end
redis.call("ZREM", k("merchants"), m)
redis.call("DEL", k("merchant", m), k("subs", m))
if m ~= "default" then
  redis.call("ZADD", k("merchants", "deleted"), int(now()), m)
  for _, lane in ipairs({"refresh/" .. m, "unknown/" .. m}) do
    redis.call("HSET", k("lane", lane), "closed", "1")
    index_lane(lane)
  end
end
return "deleted"
