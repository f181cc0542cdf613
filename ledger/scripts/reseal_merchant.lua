-- Stores a merchant's credentials sealed anew, unless they were replaced since they were read.
-- ARGV: merchant, imp_key and imp_secret as they were read, new imp_key, new imp_secret (all sealed)
-- Returns: 1, or 0 if they were replaced
-- uses: outbox
local m, known_key, known_secret, imp_key, imp_secret = take(), take(), take(), take(), take()
local row = k("merchant", m)
local found = redis.call("HMGET", row, "imp_key", "imp_secret")
if found[1] ~= known_key or found[2] ~= known_secret then return 0 end
redis.call("HSET", row, "imp_key", imp_key, "imp_secret", imp_secret)
mark_changed("merchant", m)
return 1
