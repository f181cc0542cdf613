-- Leaves the version of the stored shapes, a canary and a name in a ledger that has none yet.
-- ARGV: version, canary (sealed), name, version from which on these shapes can be read
-- Returns: {version it has, canary it has, name it has, version from which on its shapes can be read}
redis.call("SETNX", k("version"), take())
redis.call("SETNX", k("canary"), take())
redis.call("SETNX", k("name"), take())
redis.call("SETNX", k("readable_from"), take())
return {redis.call("GET", k("version")), redis.call("GET", k("canary")), redis.call("GET", k("name")), redis.call("GET", k("readable_from"))}
