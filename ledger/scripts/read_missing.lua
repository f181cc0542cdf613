-- Reads which rows the ledger does not have.
-- ARGV: names of keys…
-- Returns: per name 1 if there is no such key, else 0
local answer = {}
for i, name in ipairs(take_rest()) do answer[i] = 1 - redis.call("EXISTS", k(name)) end
return answer
