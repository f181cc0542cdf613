-- Reads the settled notifications of a payment that are still in the ledger.
-- ARGV: payment (merchant/imp_uid)
-- Returns: {id, entry}…
local answer, fields = {}, redis.call("HGETALL", k("pay", take()))
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 2) == "s:" then answer[#answer + 1] = {string.sub(fields[i], 3), fields[i + 1]} end
end
return answer
