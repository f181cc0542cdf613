-- i'mport answers again: what was put off while it failed is due now. ARGV: lane. Answer: the lanes to kick
local m = string.match(ARGV[1], "/(.*)$")
redis.call("HSET", k("merchant", m), "trouble", "")
local kicks = {}
for _, lane in ipairs({"refresh/" .. m, "unknown/" .. m}) do
  redis.call("HDEL", k("lane", lane), "failures", "not_before")
  for _, imp in ipairs(redis.call("ZRANGE", k("stalled", lane), 0, -1)) do
    touch(lane, imp, now())
  end
  redis.call("DEL", k("stalled", lane))
  if kick(lane, index_lane(lane)) then kicks[#kicks + 1] = lane end
end
return kicks
