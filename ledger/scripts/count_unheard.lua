-- Counts the found payments of which no webhook came since the fact that it should have announced (with a minute for
-- clocks that differ), once five minutes have passed. One that no look has found waits for it; where that look has ended, the
-- payment is none of this merchant's, and nothing was lost.
-- ARGV: run, merchant. Answer: how many were lost
-- uses: payments
local unheard, lost = k("recon", ARGV[1], "unheard"), 0
local rows = redis.call("ZRANGEBYSCORE", unheard, "-inf", int(now() - 300000), "WITHSCORES", "LIMIT", 0, 1000)
for i = 1, #rows, 2 do
  local p = ARGV[2] .. "/" .. rows[i]
  local known = redis.call("EXISTS", k("pay", p)) == 1
  local heard = redis.call("ZCOUNT", k("ntfs", "p", p), int(tonumber(rows[i + 1]) - 60000), "+inf") > 0
  if known and not heard then lost = lost + 1 end
  if known or not is_awaited(ARGV[2], rows[i]) then redis.call("ZREM", unheard, rows[i]) end
end
if lost > 0 then count_day("lost", lost) end
return lost
