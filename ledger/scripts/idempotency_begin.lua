-- Begins a request under an idempotency key, or says what became of the one before it.
-- ARGV: name (a hash of token, path and key), fingerprint of the request, owner, how long it may run (ms)
-- Answer: {"begun"} | {"running"} | {"other"} (another request has this key) | {"answered", sealed answer}
local row = k("idem", ARGV[1])
local fingerprint, answer = unpack(redis.call("HMGET", row, "fingerprint", "answer"))
if not fingerprint then
  redis.call("HSET", row, "fingerprint", ARGV[2], "owner", ARGV[3])
  redis.call("PEXPIRE", row, ARGV[4])
  return {"begun"}
end
if fingerprint ~= ARGV[2] then return {"other"} end
if not answer then return {"running"} end
return {"answered", answer}
