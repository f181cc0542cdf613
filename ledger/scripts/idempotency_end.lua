-- Keeps the answer of a request under an idempotency key, or frees the key where the answer is "".
-- ARGV: name, owner, sealed answer, how long to keep it (ms). Answer: 1, or 0 where the key has passed to another
local row = k("idem", ARGV[1])
if redis.call("HGET", row, "owner") ~= ARGV[2] then return 0 end
if ARGV[3] == "" then
  redis.call("DEL", row)
else
  redis.call("HSET", row, "answer", ARGV[3])
  redis.call("PEXPIRE", row, ARGV[4])
end
return 1
