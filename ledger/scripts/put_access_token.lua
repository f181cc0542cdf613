-- Stores i'mport's access token for some credentials; from now on any process may fetch the next one.
-- ARGV: name of the credentials, token, for how long it is still valid (ms)
-- Returns: 1
local name, token, left = take(), take(), take()
redis.call("SET", k("imp_token", name), token, "PX", left)
redis.call("DEL", k("imp_lock", name))
return 1
