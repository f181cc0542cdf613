-- Removes what is left of deleted endpoints, once all of their deliveries are settled.
-- ARGV: deleted before (ms), limit
-- Returns: how many
-- uses: lanes
local before, limit, removed = take(), take_number(), 0
for _, ep in ipairs(redis.call("ZRANGEBYSCORE", k("endpoints", "deleted"), "-inf", before)) do
  if removed >= limit then break end
  if redis.call("EXISTS", k("dlvs", "s", ep .. "/pending")) == 0 then
    redis.call("DEL", k("endpoint", ep))
    for _, lane in ipairs(lanes_of_endpoint(ep)) do redis.call("DEL", k("lane", lane)) end
    redis.call("ZREM", k("endpoints", "deleted"), ep)
    removed = removed + 1
  end
end
return removed
