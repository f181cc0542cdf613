-- Leaves the version of the stored shapes and a canary in a ledger that has none yet.
-- ARGV: version, canary (sealed)
-- Returns: {version it has, canary it has}
redis.call("SETNX", k("version"), take())
redis.call("SETNX", k("canary"), take())
return {redis.call("GET", k("version")), redis.call("GET", k("canary"))}
