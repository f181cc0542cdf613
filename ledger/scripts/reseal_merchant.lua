-- Puts the same credentials sealed anew, if they are still what was read.
-- ARGV: merchant, imp_key and imp_secret as they were read, imp_key, imp_secret (sealed). Answer: 1, or 0 where they are not
local row = k("merchant", ARGV[1])
local old = redis.call("HMGET", row, "imp_key", "imp_secret")
if old[1] ~= ARGV[2] or old[2] ~= ARGV[3] then return 0 end
redis.call("HSET", row, "imp_key", ARGV[4], "imp_secret", ARGV[5])
return 1
