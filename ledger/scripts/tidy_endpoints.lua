-- Removes what is left of endpoints that were deleted, once they have no deliveries to be shown beside.
-- ARGV: deleted before (ms), limit. Answer: how many
local removed = 0
for _, ep in ipairs(redis.call("ZRANGEBYSCORE", k("endpoints", "deleted"), "-inf", ARGV[1])) do
  if removed >= tonumber(ARGV[2]) then break end
  if redis.call("EXISTS", k("dlvs", "e", ep)) == 0 then
    redis.call("DEL", k("endpoint", ep), k("lane", "deliver/" .. ep), k("lane", "replay/" .. ep))
    redis.call("ZREM", k("endpoints", "deleted"), ep)
    removed = removed + 1
  end
end
return removed
