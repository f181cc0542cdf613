-- Ends the lease of a job after a step.
-- ARGV: lane, id, token, next step in (ms, or "" for never)
-- Returns: {lanes to kick}; none for a lease that was lost
-- uses: lanes leases
local lane, id, token, next_in = take(), take(), take(), take_number()
if not holds(lane, id, token) then return {{}} end
release(lane, id, next_in and now() + next_in)
return {index_and_kick(lane)}
