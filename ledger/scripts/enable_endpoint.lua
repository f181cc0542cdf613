-- Releases what was held for an endpoint: its lanes are claimed again, at once. It starts afresh.
-- ARGV: endpoint, its health where operators had heard of trouble (JSON). Answer: {"unknown" or "enabled", lanes to kick…}
-- uses: endpoints lanes
local ep, row = ARGV[1], k("endpoint", ARGV[1])
local state = redis.call("HGET", row, "state")
if not state or state == "deleted" then return {"unknown"} end
start_afresh(ep, ARGV[2])
redis.call("HSET", row, "state", "enabled", "disabled_reason", "")
local answer = {"enabled"}
for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do
  redis.call("HDEL", k("lane", lane), "closed")
  if kick(lane, index_lane(lane)) then answer[#answer + 1] = lane end
end
return answer
