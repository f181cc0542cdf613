-- Finds the latest events of a payment.
-- ARGV: payment (merchant/imp_uid), most
-- Returns: ids…, the latest first
-- uses: rows
local found, most, ids = events_in(k("pay", take())), take_number(), {}
for i = #found, math.max(1, #found - most + 1), -1 do ids[#ids + 1] = found[i].id end
return ids
