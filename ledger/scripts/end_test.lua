-- Gives up a test delivery that failed: it was for somebody who is watching now. ARGV: delivery. Answer: 1, or 0
-- uses: events lanes
local id = ARGV[1]
local state, ep = unpack(redis.call("HMGET", k("dlv", id), "state", "endpoint"))
if state ~= "pending" then return 0 end
local lane = "deliver/" .. ep
if redis.call("ZREM", k("due", lane), id) == 0 then return 0 end
forget_asked(lane, {id})
index_lane(lane)
set_state(id, ep, state, "dead")
redis.call("HSET", k("dlv", id), "next_at", "", "reason", "a test is tried once")
return 1
