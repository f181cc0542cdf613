-- Gives an empty ledger a new base, so that sequences start above all that a lost ledger can have used. Where history was lost lately,
-- there is such a base, and the ledger need not be empty: what only that history knew is rebuilt.
-- ARGV: merchant
-- Returns: "taken" where the merchant has payments here (or others have, in a ledger that has lost nothing), else "ok"
local m = take()
if redis.call("EXISTS", k("history_lost")) == 1 then return "ok" end
if redis.call("ZCARD", k("pays", "m", m)) > 0 then return "taken" end
local is_empty = redis.call("ZCARD", k("pays")) == 0
if not is_empty and (redis.call("GET", k("base")) or "0") == "0" then return "taken" end
if is_empty then redis.call("SET", k("base"), int(math.floor(now() / 1000))) end
return "ok"
