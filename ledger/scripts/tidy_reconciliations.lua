-- Removes reconciliations by hand that have ended. ARGV: begun before (ms), limit. Answer: how many
local removed = 0
for _, run in ipairs(redis.call("ZRANGEBYSCORE", k("recons"), "-inf", ARGV[1])) do
  if removed >= tonumber(ARGV[2]) then break end
  local row = cjson.decode(redis.call("HGET", k("recon", run), "row"))
  if row["state"] ~= "running" then
    redis.call("DEL", k("recon", run), k("recon", run, "found"), k("recon", run, "unheard"))
    redis.call("ZREM", k("recons"), run)
    redis.call("ZREM", k("recons", "m", row["merchant"]), run)
    removed = removed + 1
  end
end
return removed
