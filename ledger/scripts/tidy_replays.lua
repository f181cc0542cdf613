-- Removes replays that have ended.
-- ARGV: begun before (ms), limit
-- Returns: how many
local before, limit, removed = take(), take(), 0
for _, rpl in ipairs(redis.call("ZRANGEBYSCORE", k("replays"), "-inf", before, "LIMIT", 0, limit)) do
  if redis.call("HGET", k("replay", rpl), "state") ~= "running" and redis.call("EXISTS", k("replaying", rpl)) == 0 then
    redis.call("DEL", k("replay", rpl))
    redis.call("ZREM", k("replays"), rpl)
    removed = removed + 1
  end
end
return removed
