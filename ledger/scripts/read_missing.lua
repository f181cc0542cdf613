-- Reads which rows the ledger does not have.
-- ARGV: names of keys…
-- Returns: for each 1 where there is none, else 0
local answer = {}
for i, name in ipairs(take_rest()) do answer[i] = 1 - redis.call("EXISTS", k(name)) end
return answer
