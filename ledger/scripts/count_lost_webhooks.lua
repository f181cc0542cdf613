-- Counts the webhooks that are lost: those of payments that a reconciliation found, where none came within five minutes of the fact that
-- it should have announced (or a minute before it, for clocks that differ). A payment that no refresh has found yet is left for the next
-- time; where its refresh has ended, the payment is none of this merchant's, and nothing was lost.
-- ARGV: run, merchant
-- Returns: how many were lost
-- uses: payments
local GIVEN, CLOCKS_DIFFER, MOST = 300000, 60000, 1000
local awaiting, m, lost = k("recon", take(), "awaiting_webhook"), take(), 0
local rows = redis.call("ZRANGEBYSCORE", awaiting, "-inf", int(now() - GIVEN), "WITHSCORES", "LIMIT", 0, MOST)
for i = 1, #rows, 2 do
  local imp, announced_at = rows[i], tonumber(rows[i + 1])
  local p = m .. "/" .. imp
  local is_known = redis.call("EXISTS", k("pay", p)) == 1
  local has_come = redis.call("ZCOUNT", k("ntfs", "p", p), int(announced_at - CLOCKS_DIFFER), "+inf") > 0
  if is_known and not has_come then lost = lost + 1 end
  if is_known or not awaits_refresh(m, imp) then redis.call("ZREM", awaiting, imp) end
end
if lost > 0 then count_day("lost", lost) end
return lost
