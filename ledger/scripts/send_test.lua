-- Records a test event and has it sent to one endpoint now, whatever its lane waits for, and also where the endpoint is disabled.
-- ARGV: endpoint, event, type, body. Answer: {"unknown" | "sent", lane to kick or ""}
-- uses: events lanes
local ep = ARGV[1]
local state, m = unpack(redis.call("HMGET", k("endpoint", ep), "state", "merchant"))
if not state or state == "deleted" then return {"unknown", ""} end
local lane, id = "deliver/" .. ep, ARGV[2] .. "." .. ep
record({}, {ep, "0 " .. ARGV[3]}, m, "", ARGV[2], ARGV[3], 0, false, ARGV[4])
redis.call("HSET", k("dlv", id), "asked", "1")
ask_for(lane, id)
return {"sent", kick(lane, index_lane(lane)) and lane or ""}
