-- Removes the items that history has, but for the last one: its place is where the outbox ends.
-- ARGV: place of the last item that history has
-- Returns: how many
local recorded = take()
if redis.call("EXISTS", k("open")) == 0 then return 0 end  -- Redis was emptied since it was read
redis.call("SET", k("recorded"), recorded)
return redis.call("XTRIM", k("outbox"), "MINID", recorded)
