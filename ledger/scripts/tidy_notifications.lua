-- Removes notifications that were rejected, or that belong to no payment the ledger keeps.
-- ARGV: settled ones before (ms), rejected ones before (ms), limit. Answer: how many
-- uses: retention
local removed = 0
for _, id in ipairs(redis.call("ZRANGEBYSCORE", k("ntfs", "o", "rejected"), "-inf", ARGV[2], "LIMIT", 0, ARGV[3])) do
  forget_notification(id)
  removed = removed + 1
end
for _, outcome in ipairs({"applied", "unchanged"}) do
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", k("ntfs", "o", outcome), "-inf", ARGV[1], "LIMIT", 0, ARGV[3])) do
    forget_notification(id)
    removed = removed + 1
  end
end
return removed
