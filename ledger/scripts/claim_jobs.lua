-- Leases long-running jobs that are due for their next step.
-- ARGV: lane, limit, lease (ms)
-- Returns: {lanes to kick, {now (ms), token, ids…}}
-- uses: lanes leases
local lane, limit, lease_ms = take(), take_number(), take_number()
local token, may_claim = begin_claim(lane)
if not may_claim then return {{}, {int(now()), int(token)}} end
reclaim(lane, lease_ms)
local due = redis.call("ZRANGEBYSCORE", k("due", lane), "-inf", int(now()), "LIMIT", 0, limit)
lease(lane, due, token, lease_ms)
return {index_and_kick(lane), {int(now()), int(token), unpack(due)}}
