-- Replaces a merchant's credentials by the same, sealed anew, if they are still what was read.
-- ARGV: merchant, imp_key and imp_secret as they were read, imp_key, imp_secret (all sealed)
-- Returns: 1, or 0 where they were replaced since
-- uses: outbox
local m, known_key, known_secret, imp_key, imp_secret = take(), take(), take(), take(), take()
local row = k("merchant", m)
local found = redis.call("HMGET", row, "imp_key", "imp_secret")
if found[1] ~= known_key or found[2] ~= known_secret then return 0 end
redis.call("HSET", row, "imp_key", imp_key, "imp_secret", imp_secret)
mark_changed("merchant", m)
return 1
