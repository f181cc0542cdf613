-- Finds the latest events of a payment.
-- ARGV: payment (merchant/imp_uid), most
-- Returns: ids…, the latest first
-- uses: rows
local key, most = k("pay", take()), take_number()
local found = {}
for i, id in ipairs(names_in(key, "e:")) do found[i] = event_of(id) end
table.sort(found, function(a, b) return tonumber(a.sequence) > tonumber(b.sequence) end)
local ids = {}
for i = 1, math.min(most, #found) do ids[i] = found[i].id end
return ids
