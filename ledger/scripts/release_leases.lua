-- Ends leases with nothing done: what was held is due at once.
-- ARGV: how many, (lane, member, token)…
-- Returns: {lanes to kick}
-- uses: lanes leases
local lanes = {}
for _ = 1, take_number() do
  local lane, member, token = take(), take(), take()
  if holds(lane, member, token) then
    release(lane, member, now())
    lanes[lane] = true
  end
end
return {announce(lanes)}
