-- Leaves the version of the stored shapes, a canary, a name and a number of cells in a ledger that has none yet.
-- ARGV: version, canary (sealed), name, number of cells
-- Returns: {version it has, canary it has, name it has, number of cells it has}
redis.call("SETNX", k("version"), take())
redis.call("SETNX", k("canary"), take())
redis.call("SETNX", k("name"), take())
redis.call("SETNX", k("cells"), take())
return {redis.call("GET", k("version")), redis.call("GET", k("canary")), redis.call("GET", k("name")), redis.call("GET", k("cells"))}
