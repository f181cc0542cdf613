-- Counts the found payments of which no webhook came since the fact that it should have announced (with a minute for
-- clocks that differ), once five minutes have passed. ARGV: run, merchant. Answer: how many were lost
local unheard, lost = k("recon", ARGV[1], "unheard"), 0
local rows = redis.call("ZRANGEBYSCORE", unheard, "-inf", int(now() - 300000), "WITHSCORES", "LIMIT", 0, 1000)
for i = 1, #rows, 2 do
  local p = ARGV[2] .. "/" .. rows[i]
  if redis.call("ZCOUNT", k("ntfs", "p", p), int(tonumber(rows[i + 1]) - 60000), "+inf") == 0 then lost = lost + 1 end
  redis.call("ZREM", unheard, rows[i])
end
if lost > 0 then count_day("lost", lost) end
return lost
