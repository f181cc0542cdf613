-- Gives up what merchants waited for that were deleted long ago: the marks of their payments go, and the notifications behind
-- these are rejected; and how far they were reconciled by themselves. Their lanes stay closed. ARGV: deleted before (ms), limit. Answer: how many payments
-- uses: lanes payments reasons
local removed = 0

local function give_up(m, lane, imp)
  local p = m .. "/" .. imp
  settle_notifications(redis.call("ZRANGE", k("waiting", p), 0, -1), p, "rejected", because("merchant_deleted"), "")
  redis.call("DEL", k("claims", p), k("escrow", p))
  redis.call("ZREM", k("due", lane), imp)
  redis.call("HDEL", k("tries", lane), imp)
  redis.call("ZREM", k("stalled", lane), imp)
  redis.call("SREM", k("quiet", lane), imp)
end

for _, m in ipairs(redis.call("ZRANGEBYSCORE", k("merchants", "deleted"), "-inf", ARGV[1])) do
  redis.call("DEL", k("recon", "auto/" .. m))
  for _, lane in ipairs({"refresh/" .. m, "unknown/" .. m}) do
    reclaim(lane)
    for _, imp in ipairs(redis.call("ZRANGE", k("due", lane), 0, tonumber(ARGV[2]) - 1 - removed)) do
      give_up(m, lane, imp)
      removed = removed + 1
    end
    if removed >= tonumber(ARGV[2]) then return removed end
  end
end
return removed
