-- Leases long-running jobs that are due for their next step. ARGV: lane, limit, lease (ms)
-- Answer: {now, token, lane to kick or "", ids…}
-- uses: lanes
local lane = ARGV[1]
local token = redis.call("INCR", k("seq"))
if crowded(lane) then return {int(now()), int(token), ""} end
redis.call("DEL", k("kicked", lane))
reclaim(lane, ARGV[3])
local due = redis.call("ZRANGEBYSCORE", k("due", lane), "-inf", int(now()), "LIMIT", 0, ARGV[2])
lease(lane, due, token, tonumber(ARGV[3]))
local answer = {int(now()), int(token), kick(lane, index_lane(lane)) and lane or ""}
for _, id in ipairs(due) do answer[#answer + 1] = id end
return answer
