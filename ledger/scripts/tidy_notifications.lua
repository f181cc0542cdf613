-- Removes notifications that were rejected, and settled ones that belong to no payment of the ledger.
-- ARGV: settled ones received before (ms), rejected ones received before (ms), limit of each outcome
-- Returns: how many
-- uses: retention
local settled_before, rejected_before, limit = take(), take(), take()
local removed = 0
local function remove(outcome, before)
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", k("ntfs", "o", outcome), "-inf", before, "LIMIT", 0, limit)) do
    remove_notification(id)
    removed = removed + 1
  end
end
remove("rejected", rejected_before)
remove("applied", settled_before)
remove("unchanged", settled_before)
return removed
