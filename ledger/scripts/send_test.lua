-- Records a test event and puts it into the lane of one endpoint. ARGV: endpoint, event, type, body
-- Answer: {"unknown" | "disabled" | "sent", lane to kick or ""}
-- uses: events lanes
local ep = ARGV[1]
local state, m = unpack(redis.call("HMGET", k("endpoint", ep), "state", "merchant"))
if not state or state == "deleted" then return {"unknown", ""} end
if state ~= "enabled" then return {"disabled", ""} end
local lane = "deliver/" .. ep
record({}, {ep, "0 " .. ARGV[3]}, m, "", ARGV[2], ARGV[3], 0, false, ARGV[4])
return {"sent", kick(lane, index_lane(lane)) and lane or ""}
