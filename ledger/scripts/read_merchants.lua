-- Reads which merchants take webhooks; `default` does before it is set up.
-- ARGV: none
-- Returns: (merchant, hash of its webhook token or "")…
local answer, has_default = {}, false
local function add_merchant(m)
  answer[#answer + 1] = m
  answer[#answer + 1] = redis.call("HGET", k("merchant", m), "token_hash") or ""
end
for _, m in ipairs(redis.call("ZRANGE", k("merchants"), 0, -1)) do
  has_default = has_default or m == "default"
  add_merchant(m)
end
if not has_default then add_merchant("default") end
return answer
