-- Removes notifications that were rejected; others that are settled leave with their payment.
-- ARGV: received before (ms), limit
-- Returns: how many
-- uses: retention
local before, limit = take(), take()
local ids = redis.call("ZRANGEBYSCORE", k("ntfs", "o", "rejected"), "-inf", before, "LIMIT", 0, limit)
for _, id in ipairs(ids) do remove_notification(id) end
return #ids
