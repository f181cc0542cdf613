-- Removes replays that have ended.
-- ARGV: begun before (ms), limit
-- Returns: how many
local before, limit, removed = take(), take_number(), 0
for _, rpl in ipairs(redis.call("ZRANGEBYSCORE", k("replays"), "-inf", before)) do
  if removed == limit then break end
  if redis.call("HGET", k("replay", rpl), "state") ~= "running" and redis.call("EXISTS", k("replaying", rpl)) == 0 then
    redis.call("DEL", k("replay", rpl))
    redis.call("ZREM", k("replays"), rpl)
    removed = removed + 1
  end
end
return removed
