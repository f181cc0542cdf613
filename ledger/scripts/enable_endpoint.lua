-- Releases what was held for an endpoint: its lanes are claimed again, at once. It starts afresh, but a success is still
-- news where operators had heard of trouble (schemas.health.enabled).
-- ARGV: endpoint, its health where operators had heard of trouble (JSON). Answer: {"unknown" or "enabled", lanes to kick…}
-- uses: lanes
local ep, row = ARGV[1], k("endpoint", ARGV[1])
local state, health = unpack(redis.call("HMGET", row, "state", "health"))
if not state or state == "deleted" then return {"unknown"} end
local heard = health and health ~= "" and cjson.decode(health)["stage"] > 0
redis.call("HSET", row, "state", "enabled", "disabled_reason", "", "health", heard and ARGV[2] or "")
local answer = {"enabled"}
for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do
  redis.call("HDEL", k("lane", lane), "closed", "not_before", "told_until", "probe")
  if kick(lane, index_lane(lane)) then answer[#answer + 1] = lane end
end
return answer
