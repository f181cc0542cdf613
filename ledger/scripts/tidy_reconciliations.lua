-- Removes reconciliations by hand that have ended.
-- ARGV: begun before (ms), limit
-- Returns: how many
local before, limit, removed = take(), take_number(), 0
for _, run in ipairs(redis.call("ZRANGEBYSCORE", k("recons"), "-inf", before)) do
  if removed >= limit then break end
  local m, is_running = unpack(redis.call("HMGET", k("recon", run), "merchant", "is_running"))
  if is_running ~= "1" then
    redis.call("DEL", k("recon", run), k("recon", run, "found"), k("recon", run, "awaiting_webhook"))
    redis.call("ZREM", k("recons"), run)
    redis.call("ZREM", k("recons", "m", m), run)
    removed = removed + 1
  end
end
return removed
