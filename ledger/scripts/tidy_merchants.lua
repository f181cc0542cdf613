-- Drops the work of merchants that were deleted long ago: their payments are no longer dirty, the notifications behind these are
-- rejected, and the progress of their automatic reconciliation is removed. Their lanes stay closed.
-- ARGV: deleted before (ms), limit
-- Returns: how many payments
-- uses: lanes leases notifications reasons
local before, limit, removed = take(), take_number(), 0

local function give_up(m, lane, imp)
  local p = m .. "/" .. imp
  reject_waiting(p, waiting_for(p), because("merchant_deleted"))
  redis.call("ZREM", k("due", lane), imp)
  redis.call("HDEL", k("tries", lane), imp)
  redis.call("ZREM", k("stalled", lane), imp)
  redis.call("SREM", k("silent", lane), imp)
end

for _, m in ipairs(redis.call("ZRANGEBYSCORE", k("merchants", "deleted"), "-inf", before)) do
  redis.call("DEL", k("recon", "auto/" .. m))
  for _, lane in ipairs(lanes_of_merchant(m)) do
    reclaim(lane)
    for _, imp in ipairs(redis.call("ZRANGE", k("due", lane), 0, limit - 1 - removed)) do
      give_up(m, lane, imp)
      removed = removed + 1
    end
    if removed >= limit then return removed end
  end
end
return removed
