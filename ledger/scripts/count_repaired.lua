-- Forgets those found payments that were looked at since, and those whose look has ended with no payment.
-- ARGV: run, merchant. Answer: {looked at now, left}
-- uses: payments
local found, repaired = k("recon", ARGV[1], "found"), 0
local rows = redis.call("ZRANGE", found, 0, 999, "WITHSCORES")
for i = 1, #rows, 2 do
  local fetched = redis.call("HGET", k("pay", ARGV[2] .. "/" .. rows[i]), "fetched_at")
  if fetched and tonumber(fetched) >= tonumber(rows[i + 1]) then
    repaired = repaired + redis.call("ZREM", found, rows[i])
  elseif not is_awaited(ARGV[2], rows[i]) then
    redis.call("ZREM", found, rows[i])
  end
end
return {repaired, redis.call("ZCARD", found)}
