-- Gives an empty ledger a new base, so that sequences start above all that a lost ledger can have used. One that was begun anew or
-- restored, or whose history was lost, has such a base.
-- ARGV: none
-- Returns: "taken" where there are payments in a ledger that has lost nothing, else "ok"
local is_empty = redis.call("EXISTS", k("ageing")) == 0
if not is_empty and (redis.call("GET", k("base")) or "0") == "0" then return "taken" end
if is_empty then redis.call("SET", k("base"), int(math.floor(now() / 1000))) end
return "ok"
