-- Reads under which fields a payment's row has its notifications, waiting and settled.
-- ARGV: payment (merchant/imp_uid)
-- Returns: fields
local fields = {}
for _, field in ipairs(redis.call("HKEYS", k("pay", take()))) do
  if string.match(field, "^[ns]:") then fields[#fields + 1] = field end
end
return fields
