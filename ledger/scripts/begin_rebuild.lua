-- Gives an empty ledger a new base, so that sequences start above all that a lost ledger can have used.
-- ARGV: merchant
-- Returns: "taken" where the merchant has payments here (or others have, in a ledger that was never lost), else "ok"
if redis.call("ZCARD", k("pays", "m", take())) > 0 then return "taken" end
local is_empty = redis.call("ZCARD", k("pays")) == 0
if not is_empty and (redis.call("GET", k("base")) or "0") == "0" then return "taken" end
if is_empty then redis.call("SET", k("base"), int(math.floor(now() / 1000))) end
return "ok"
