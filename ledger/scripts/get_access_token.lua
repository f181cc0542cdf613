-- Reads i'mport's access token for some credentials.
-- ARGV: name of the credentials
-- Returns: {token, for how long it is still valid (ms)}, or nil
local name = k("imp_token", take())
local token = redis.call("GET", name)
return token and {token, redis.call("PTTL", name)} or nil
