-- Puts back what merchants expect to be paid for orders; older expectations stay in history.
-- ARGV: how many, then per order: merchant, merchant_uid, expectation (JSON)
-- Returns: how many it has put back
-- uses: restoring
if not is_restoring() then return 0 end
local n = 0
local rows = take_rows(3)
for i = 1, #rows, 3 do
  n = n + redis.call("HSETNX", k("orders", rows[i]), rows[i + 1], rows[i + 2])
  redis.call("HSET", k("orders", rows[i]), "", "1")
end
return n
