-- Takes an endpoint away: no event is for it and its lane is not claimed any more; its row stays, so that deliveries can
-- be shown. What it still had to get is discarded by discard_deliveries.lua.
-- ARGV: endpoint. Answer: "unknown", "before" (it was deleted already) or "deleted"
-- uses: lanes
local ep, row = ARGV[1], k("endpoint", ARGV[1])
local state, m = unpack(redis.call("HMGET", row, "state", "merchant"))
if not state then return "unknown" end
if state == "deleted" then return "before" end
redis.call("HSET", row, "state", "deleted", "disabled_reason", "")
redis.call("HDEL", k("subs", m), ep)
redis.call("ZREM", k("endpoints"), ep)
redis.call("ZREM", k("endpoints", "m", m), ep)
redis.call("ZADD", k("endpoints", "deleted"), int(now()), ep)
redis.call("DEL", k("asked", "deliver/" .. ep))
redis.call("HDEL", k("lane", "deliver/" .. ep), "asked")
for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do
  redis.call("HSET", k("lane", lane), "closed", "1")
  index_lane(lane)
end
return "deleted"
