-- Reads which payments the ledger does not have.
-- ARGV: payments (merchant/imp_uid)…
-- Returns: for each 1 where it has no record, else 0
local answer = {}
for i, p in ipairs(take_rest()) do answer[i] = 1 - redis.call("HEXISTS", k("pay", p), "version") end
return answer
