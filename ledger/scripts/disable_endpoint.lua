-- Holds an endpoint's deliveries: its lane is not claimed any more. ARGV: endpoint, reason.
-- Answer: "unknown" or "disabled"
-- uses: lanes
local ep, row = ARGV[1], k("endpoint", ARGV[1])
local state = redis.call("HGET", row, "state")
if not state or state == "deleted" then return "unknown" end
redis.call("HSET", row, "state", "disabled", "disabled_reason", ARGV[2], "disabled_at", int(now()))
for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do
  redis.call("HSET", k("lane", lane), "closed", "1")
  index_lane(lane)
end
return "disabled"
