-- Gives an empty ledger a new base, so that sequences start above all that a lost one can have used. ARGV: merchant
-- Answer: "taken" where the merchant has payments here (or others have, in a ledger that was never lost), else "ok"
if redis.call("ZCARD", k("pays", "m", ARGV[1])) > 0 then return "taken" end
local empty = redis.call("ZCARD", k("pays")) == 0
if not empty and (redis.call("GET", k("base")) or "0") == "0" then return "taken" end
if empty then redis.call("SET", k("base"), int(math.floor(now() / 1000))) end
return "ok"
