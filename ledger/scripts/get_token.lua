-- Reads i'mport's access token for some credentials.
-- ARGV: name of the credentials
-- Returns: {token, what it has left (ms)}, or nil
local name = k("imp_token", take())
local token = redis.call("GET", name)
return token and {token, redis.call("PTTL", name)} or nil
