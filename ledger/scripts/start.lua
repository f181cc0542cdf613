-- Notes what a ledger was begun with. ARGV: version of the stored shapes, canary (sealed)
-- Answer: {version it has, canary it has}
redis.call("SETNX", k("version"), ARGV[1])
redis.call("SETNX", k("canary"), ARGV[2])
return {redis.call("GET", k("version")), redis.call("GET", k("canary"))}
