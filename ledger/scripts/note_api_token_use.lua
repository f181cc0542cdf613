-- Notes that an operator's token was used now.
-- ARGV: the token's fingerprint, how long that is remembered (ms)
-- Returns: 1
local token, remembered = take(), take()
redis.call("SET", k("token_use", token), now(), "PX", remembered)
return 1
