-- Ends a merchant's pause, because i'mport answers again: payments that stalled are due now.
-- ARGV: merchant
-- Returns: {lanes to kick}
-- uses: lanes payments
local m, lanes = take(), {}
for _, lane in ipairs(lanes_of_merchant(m)) do
  lanes[lane] = true
  local not_before = redis.call("HGET", k("lane", lane), "not_before")
  redis.call("HDEL", k("lane", lane), "failures", "not_before", "probe_until")
  if not_before and lane == "unknown/" .. m then  -- unknown payments still wait for their turn
    redis.call("HSET", k("lane", lane), "not_before", int(math.min(tonumber(not_before), now() + UNKNOWN_EVERY)))
  end
  for _, imp in ipairs(redis.call("ZRANGE", k("stalled", lane), 0, -1)) do touch(lane, imp, now()) end
  redis.call("DEL", k("stalled", lane))
end
if redis.call("HEXISTS", k("merchant", m), "created_at") == 1 then redis.call("HSET", k("merchant", m), "trouble", "") end
return {announce(lanes)}
