-- Gives an empty ledger a new base, so that sequences start above all that a lost ledger can have used. Where history was lost lately,
-- there is such a base, and the ledger need not be empty: what only that history knew is rebuilt.
-- ARGV: none
-- Returns: "taken" where there are payments in a ledger that has lost nothing, "others" where there are some in one that has such a
--          base (perhaps of other merchants), else "ok"
if redis.call("EXISTS", k("history_lost")) == 1 then return "ok" end
if redis.call("EXISTS", k("ageing")) == 1 then return (redis.call("GET", k("base")) or "0") == "0" and "taken" or "others" end
redis.call("SET", k("base"), int(math.floor(now() / 1000)))
return "ok"
