-- Makes deliveries due that wait for their next attempt: the endpoint has started afresh. Bounded work.
-- ARGV: endpoint, most of each lane
-- Returns: {lanes to kick, 1 if more may be left, else 0}
-- uses: lanes
local ep, most = take(), take_number()
local left, lanes = 0, {}
for _, lane in ipairs(lanes_of_endpoint(ep)) do
  local ids = redis.call("ZRANGEBYSCORE", k("due", lane), "(" .. int(now()), "+inf", "LIMIT", 0, most)
  for _, id in ipairs(ids) do redis.call("ZADD", k("due", lane), int(now()), id) end
  if #ids == most then left = 1 end
  lanes[lane] = true
end
return {announce(lanes), left}
