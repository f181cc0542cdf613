-- Makes deliveries due that wait for their next attempt: the endpoint has started afresh. Bounded work.
-- ARGV: endpoint, most. Answer: how many
-- uses: lanes
local woken = 0
for _, lane in ipairs({"deliver/" .. ARGV[1], "replay/" .. ARGV[1]}) do
  local ids = redis.call("ZRANGEBYSCORE", k("due", lane), "(" .. int(now()), "+inf", "LIMIT", 0, ARGV[2])
  for _, id in ipairs(ids) do redis.call("ZADD", k("due", lane), int(now()), id) end
  woken = woken + #ids
  index_lane(lane)
end
return woken
