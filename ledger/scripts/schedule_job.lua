-- Makes a job due. ARGV: lane, id, due in (ms), only where it is not there yet (0 or 1). Answer: lane to kick, or ""
-- uses: lanes
local lane, id = ARGV[1], ARGV[2]
if ARGV[4] == "1" and (redis.call("ZSCORE", k("due", lane), id) or redis.call("HEXISTS", k("tokens", lane), id) == 1) then
  return ""
end
touch(lane, id, now() + tonumber(ARGV[3]))
return kick(lane, index_lane(lane)) and lane or ""
