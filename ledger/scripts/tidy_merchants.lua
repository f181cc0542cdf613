-- Drops the work of merchants that were deleted long ago: their payments are no longer dirty, the notifications that wait for these are
-- rejected, and the progress of their automatic reconciliation is removed. Their lanes stay closed.
-- ARGV: deleted before (ms), limit
-- Returns: how many payments
-- uses: lanes leases notifications outbox reasons
local before, limit, removed = take(), take_number(), 0

-- Rejects the notifications of a payment that still wait.
local function reject(p, reason)
  local row, answered = k("pay", p), {}
  for _, id in ipairs(names_in(row, "n:")) do
    local received, entry = string.match(redis.call("HGET", row, "n:" .. id), "^(%d+)[^:]*:(.*)$")
    local stamp = {received_at = tonumber(received), outcome = "rejected", reason = reason, revision = 1}
    append_entry(entry, stamp)
    answered[#answered + 1] = id
    answered[#answered + 1] = cmsgpack.pack({entry, cmsgpack.pack(stamp)})
  end
  append_to_outbox()
  local settled = {}
  put_settled(answered, settled)
  with_all("HSET", row, settled)
  if #answered > 0 then list(k("ageing"), p, int(now())) end
  remove_waiting(p, answered)
end

local function give_up(m, lane, imp)
  local p = m .. "/" .. imp
  reject(p, because("merchant_deleted"))
  redis.call("ZREM", k("due", lane), imp)
  redis.call("HDEL", k("tries", lane), imp)
  redis.call("ZREM", k("stalled", lane), imp)
  redis.call("SREM", k("silent", lane), imp)
end

for _, m in ipairs(redis.call("ZRANGEBYSCORE", k("merchants", "deleted"), "-inf", before)) do
  redis.call("DEL", k("recon", AUTO .. m))
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
