-- Asks for a look at a payment. ARGV: merchant, imp_uid, due in (ms), quiet (0 or 1). Answer: the lane to kick, or ""
-- uses: lanes payments
local m, imp = ARGV[1], ARGV[2]
decide_quiet(m, imp, ARGV[4])
local lane = mark(m, imp, now() + tonumber(ARGV[3]))
return kick(lane, index_lane(lane)) and lane or ""
