-- Stores the answer of a request under its idempotency key, or frees the key.
-- ARGV: name, owner, sealed answer ("" to free the key), how long it is kept (ms)
-- Returns: 1, or 0 if another request has the key
local row, owner, answer, kept = k("idem", take()), take(), take_text(), take()
if redis.call("HGET", row, "owner") ~= owner then return 0 end
if answer then
  redis.call("HSET", row, "answer", answer)
  redis.call("PEXPIRE", row, kept)
else
  redis.call("DEL", row)
end
return 1
