-- Reads the merchants.
-- ARGV: none
-- Returns: (merchant, hash of its webhook token or "")…
local answer = {}
for _, m in ipairs(redis.call("ZRANGE", k("merchants"), 0, -1)) do
  answer[#answer + 1] = m
  answer[#answer + 1] = redis.call("HGET", k("merchant", m), "token_hash") or ""
end
return answer
