-- Counts lost webhooks. A reconciliation found a payment with a fact that a webhook should have announced, and none came within five
-- minutes after the fact, or up to a minute before it, as clocks may differ. If no refresh has found the payment yet, it is left for the
-- next time. If its refresh has ended without finding it, it is not this merchant's payment, and nothing was lost.
-- ARGV: run, merchant
-- Returns: how many were lost
-- uses: payments records
local GIVEN, CLOCKS_DIFFER, MOST = 300000, 60000, 1000
local awaiting, m, lost = k("recon", take(), "awaiting_webhook"), take(), 0
local rows = redis.call("ZRANGEBYSCORE", awaiting, "-inf", int(now() - GIVEN), "WITHSCORES", "LIMIT", 0, MOST)
for i = 1, #rows, 2 do
  local imp, announced_at = rows[i], tonumber(rows[i + 1])
  local p = m .. "/" .. imp
  local head = head_of(p)
  local has_come = head and (tonumber(head.webhook_at) or 0) >= announced_at - CLOCKS_DIFFER or #names_in(k("pay", p), "n:") > 0
  if head and not has_come then lost = lost + 1 end
  if head or not awaits_refresh(m, imp) then redis.call("ZREM", awaiting, imp) end
end
if lost > 0 then count_day("lost", lost) end
return lost
