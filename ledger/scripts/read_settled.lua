-- Reads whether a payment has no pending delivery.
-- ARGV: merchant, imp_uid
-- Returns: 1 or 0; nil if there is no such payment
-- uses: records retention
local p = take() .. "/" .. take()
if not has_record(p) then return nil end
return has_pending_delivery(deliveries_in(redis.call("HGETALL", k("pay", p)))) and 0 or 1
