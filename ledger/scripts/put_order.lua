-- Notes what a merchant expects to be paid for an order. ARGV: merchant, merchant_uid, expectation (JSON)
-- Answer: "unknown" where there is no such merchant, else the imp_uids of the order's payments, the newest 100
local m = ARGV[1]
if m ~= "default" and redis.call("EXISTS", k("merchant", m)) == 0 then return "unknown" end
redis.call("HSET", k("orders", m), ARGV[2], ARGV[3])
local found = {}
for _, p in ipairs(redis.call("ZREVRANGE", k("pays", "u", ARGV[2]), 0, 99)) do
  if string.sub(p, 1, #m + 1) == m .. "/" then found[#found + 1] = string.sub(p, #m + 2) end
end
return found
