-- Removes i'mport's access token for some credentials, if it is still this one.
-- ARGV: name of the credentials, token
-- Returns: 1
local name, token = k("imp_token", take()), take()
if redis.call("GET", name) == token then redis.call("DEL", name) end
return 1
