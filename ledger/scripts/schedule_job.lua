-- Makes a long-running job due.
-- ARGV: lane, id, due in (ms), only if it is new (0 or 1), which means neither due nor under way
-- Returns: {lanes to kick}
-- uses: lanes
local lane, id, due_in, if_new = take(), take(), take_number(), take_flag()
if if_new and is_due_or_leased(lane, id) then return {{}} end
touch(lane, id, now() + due_in)
return {index_and_kick(lane)}
