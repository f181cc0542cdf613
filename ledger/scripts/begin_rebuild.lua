-- Gives an empty ledger a new base, so that sequences start above all that a lost ledger can have used. If history was lost lately, the
-- ledger has such a base already and need not be empty: the payments that only that history knew are rebuilt.
-- ARGV: none
-- Returns: "taken" if the ledger has payments and no such base, because it has lost nothing; "others" if it has payments and such a base
--          (they may be of other merchants); else "ok"
if redis.call("EXISTS", k("history_lost")) == 1 then return "ok" end
if redis.call("EXISTS", k("ageing")) == 1 then return (redis.call("GET", k("base")) or "0") == "0" and "taken" or "others" end
redis.call("SET", k("base"), int(math.floor(now() / 1000)))
return "ok"
