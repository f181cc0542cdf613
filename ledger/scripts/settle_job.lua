-- Ends the lease of a job after a step. ARGV: lane, id, token, next step in (ms, or "" for never). Answer: lane to kick, "" or "lost"
-- uses: lanes
local lane, id = ARGV[1], ARGV[2]
if not holds(lane, id, ARGV[3]) then return "lost" end
release(lane, id, ARGV[4] ~= "" and now() + tonumber(ARGV[4]) or nil)
return kick(lane, index_lane(lane)) and lane or ""
