-- Reads whether nothing of a payment is still to be delivered.
-- ARGV: merchant, imp_uid
-- Returns: 1 or 0; nil where there is no such payment
-- uses: records retention
local p = take() .. "/" .. take()
if not has_record(p) then return nil end
for _, event in ipairs(redis.call("ZRANGE", k("evts", "p", p), 0, -1)) do
  if has_pending_delivery(event) then return 0 end
end
return 1
