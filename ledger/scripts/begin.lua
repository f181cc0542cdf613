-- Leaves the version of the stored shapes, a canary and a name in a ledger that has none yet.
-- ARGV: version, canary (sealed), name
-- Returns: {version it has, canary it has, name it has}
redis.call("SETNX", k("version"), take())
redis.call("SETNX", k("canary"), take())
redis.call("SETNX", k("name"), take())
return {redis.call("GET", k("version")), redis.call("GET", k("canary")), redis.call("GET", k("name"))}
