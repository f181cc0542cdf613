-- Asks for a look at a payment. ARGV: merchant, imp_uid, due in (ms), quiet (0 or 1). Answer: the lane to kick, or ""
local m, imp = ARGV[1], ARGV[2]
local lane = lane_of(m, imp)
local is_marked = redis.call("ZSCORE", k("due", lane), imp) or redis.call("HEXISTS", k("tokens", lane), imp) == 1
if ARGV[4] == "1" and not is_marked then redis.call("SADD", k("quiet", lane), imp) end
if ARGV[4] ~= "1" then redis.call("SREM", k("quiet", lane), imp) end
lane = mark(m, imp, now() + tonumber(ARGV[3]))
return kick(lane, index_lane(lane)) and lane or ""
