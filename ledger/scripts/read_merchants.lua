-- Every merchant and the hash of its webhook token (or ""), flat.
local answer, seen = {}, false
for _, m in ipairs(redis.call("ZRANGE", k("merchants"), 0, -1)) do
  seen = seen or m == "default"
  answer[#answer + 1] = m
  answer[#answer + 1] = redis.call("HGET", k("merchant", m), "token_hash") or ""
end
if not seen then
  answer[#answer + 1] = "default"
  answer[#answer + 1] = redis.call("HGET", k("merchant", "default"), "token_hash") or ""
end
return answer
