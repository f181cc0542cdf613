-- Removes payments from those that a reconciliation found: the ones refreshed since, and the ones whose refresh ended with no payment.
-- ARGV: run, merchant
-- Returns: {how many were refreshed since, how many are left}
-- uses: payments records
local MOST = 1000
local found, m, repaired = k("recon", take(), "found"), take(), 0
local rows = redis.call("ZRANGE", found, 0, MOST - 1, "WITHSCORES")
for i = 1, #rows, 2 do
  local imp, found_at = rows[i], rows[i + 1]
  local head = head_of(m .. "/" .. imp)
  if head and (tonumber(head.fetched_at) or 0) >= tonumber(found_at) then
    repaired = repaired + redis.call("ZREM", found, imp)
  elseif not awaits_refresh(m, imp) then
    redis.call("ZREM", found, imp)
  end
end
return {repaired, redis.call("ZCARD", found)}
