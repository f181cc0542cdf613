-- Releases what was held for an endpoint: its lane is claimed again. It starts afresh, but a success is still news where
-- operators had heard of trouble (schemas.health.enabled). ARGV: endpoint. Answer: "unknown" or "enabled"
local ep, row = ARGV[1], k("endpoint", ARGV[1])
local state, stage = unpack(redis.call("HMGET", row, "state", "stage"))
if not state or state == "deleted" then return "unknown" end
redis.call("HSET", row, "state", "enabled", "disabled_reason", "", "failures", "0", "failing_since", "0",
  "breaker_until", "0", "opens", "0", "stage", math.min(tonumber(stage or "0"), 1))
for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do
  redis.call("HDEL", k("lane", lane), "closed", "not_before")
  index_lane(lane)
end
return "enabled"
