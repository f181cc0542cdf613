-- Gives up what merchants waited for that were deleted long ago: their payments are not dirty any more, the notifications behind these are
-- rejected, and the progress of their automatic reconciliation is removed. Their lanes stay closed.
-- ARGV: deleted before (ms), limit
-- Returns: how many payments
-- uses: lanes leases payments
local before, limit, removed = take(), take_number(), 0

local function give_up(m, lane, imp)
  local p = m .. "/" .. imp
  settle_notifications(redis.call("ZRANGE", k("waiting", p), 0, -1), p, "rejected", "the merchant was deleted", "")
  redis.call("DEL", k("reported", p), k("escrow", p))
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
