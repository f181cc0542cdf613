-- Removes the items that history has, except the last one, which shows the place that history has reached (see read_items.lua).
-- ARGV: place of the last item that history has
-- Returns: how many
-- uses: opening
local recorded = take()
if not is_open() then return 0 end  -- Redis was emptied since it was read
redis.call("SET", k("recorded"), recorded)
return redis.call("XTRIM", k("outbox"), "MINID", recorded)
