-- i'mport answers again: what was put off while it failed is due now. ARGV: lane. Answer: the lanes to kick
-- uses: lanes
local m = string.match(ARGV[1], "/(.*)$")
local lanes = {["refresh/" .. m] = true, ["unknown/" .. m] = true}
for lane in pairs(lanes) do
  local not_before = redis.call("HGET", k("lane", lane), "not_before")
  redis.call("HDEL", k("lane", lane), "failures", "not_before", "probe_until")
  if not_before and lane == "unknown/" .. m then  -- its budget holds on
    redis.call("HSET", k("lane", lane), "not_before", int(math.min(tonumber(not_before), now() + 1000)))
  end
  for _, imp in ipairs(redis.call("ZRANGE", k("stalled", lane), 0, -1)) do
    touch(lane, imp, now())
  end
  redis.call("DEL", k("stalled", lane))
end
if redis.call("HEXISTS", k("merchant", m), "created_at") == 1 then redis.call("HSET", k("merchant", m), "trouble", "") end
return announce(lanes)
