-- Pauses a merchant's lanes, because i'mport fails for it. Look-ups that were under way together count as one failure; the longest wait
-- counts.
-- ARGV: merchant, wait (ms), trouble (a stored reason)
-- Returns: nothing
-- uses: lanes
local m, wait, trouble = take(), take_number(), take()
local paused_until = tonumber(redis.call("HGET", k("lane", "refresh/" .. m), "not_before") or 0)
for _, lane in ipairs(lanes_of_merchant(m)) do
  redis.call("HINCRBY", k("lane", lane), "failures", paused_until > now() and 0 or 1)
  redis.call("HSET", k("lane", lane), "not_before", int(math.max(paused_until, now() + wait)))
  redis.call("HDEL", k("lane", lane), "probe_until")
  index_lane(lane)
end
if redis.call("HEXISTS", k("merchant", m), "created_at") == 1 then
  redis.call("HSET", k("merchant", m), "trouble", trouble)
end
