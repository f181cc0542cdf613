-- i'mport is failing for a merchant: none of its lanes is claimed for a while. ARGV: lane, wait (ms), trouble (a stored reason)
-- Answer: failures in a row. Looks that were under way together fail together: that is one, and the longest wait counts.
-- uses: lanes
local m = string.match(ARGV[1], "/(.*)$")
local paused_until = tonumber(redis.call("HGET", k("lane", "refresh/" .. m), "not_before") or 0)
local failures
for _, lane in ipairs({"refresh/" .. m, "unknown/" .. m}) do
  failures = redis.call("HINCRBY", k("lane", lane), "failures", paused_until > now() and 0 or 1)
  redis.call("HSET", k("lane", lane), "not_before", int(math.max(paused_until, now() + tonumber(ARGV[2]))))
  redis.call("HDEL", k("lane", lane), "probe_until")
  index_lane(lane)
end
if redis.call("HEXISTS", k("merchant", m), "created_at") == 1 then
  redis.call("HSET", k("merchant", m), "trouble", ARGV[3])
end
return failures
