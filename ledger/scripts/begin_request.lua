-- Begins a request under an idempotency key.
-- ARGV: name (a hash of token, path and key), fingerprint of the request, owner, how long it may run (ms)
-- Returns: {"begun"} | {"running"} | {"other"} (another request has this key) | {"answered", sealed answer}
local row, fingerprint, owner, may_run = k("idem", take()), take(), take(), take()
local known, answer = unpack(redis.call("HMGET", row, "fingerprint", "answer"))
if not known then
  redis.call("HSET", row, "fingerprint", fingerprint, "owner", owner)
  redis.call("PEXPIRE", row, may_run)
  return {"begun"}
end
if known ~= fingerprint then return {"other"} end
if not answer then return {"running"} end
return {"answered", answer}
