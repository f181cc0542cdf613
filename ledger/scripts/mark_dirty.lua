-- Asks for a look at a payment. ARGV: merchant, imp_uid, due in (ms), quiet (0 or 1). Answer: the lane to kick, or ""
-- uses: lanes payments
local m, imp = ARGV[1], ARGV[2]
local lane = lane_of(m, imp)
-- A look that somebody waits for already stays one that is heard; one that is only planned for later becomes quiet.
local at = redis.call("ZSCORE", k("due", lane), imp)
local awaited = at and tonumber(at) <= now() or redis.call("HEXISTS", k("tokens", lane), imp) == 1
  or redis.call("ZSCORE", k("stalled", lane), imp)
if ARGV[4] == "1" and not awaited then redis.call("SADD", k("quiet", lane), imp) end
if ARGV[4] ~= "1" then redis.call("SREM", k("quiet", lane), imp) end
lane = mark(m, imp, now() + tonumber(ARGV[3]))
return kick(lane, index_lane(lane)) and lane or ""
