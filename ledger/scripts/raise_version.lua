-- Raises a ledger's version: a process that writes newer shapes is about to begin, so older processes must not start again.
-- ARGV: version
-- Returns: 1
local version = take()
if tonumber(redis.call("GET", k("version")) or 0) < tonumber(version) then redis.call("SET", k("version"), version) end
return 1
