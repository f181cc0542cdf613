-- i'mport is failing for a merchant: none of its lanes is claimed for a while. ARGV: lane, wait (ms), trouble in words
-- Answer: failures in a row
local lane = ARGV[1]
local m = string.match(lane, "/(.*)$")
redis.call("HSET", k("merchant", m), "trouble", ARGV[3])
local failures = 0
for _, name in ipairs({"refresh/" .. m, "unknown/" .. m}) do
  failures = redis.call("HINCRBY", k("lane", name), "failures", 1)
  redis.call("HSET", k("lane", name), "not_before", int(now() + tonumber(ARGV[2])))
  index_lane(name)
end
return failures
