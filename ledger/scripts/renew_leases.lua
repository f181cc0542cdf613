-- Lengthens leases that are still held.
-- ARGV: lease (ms), how many, (lane, member, token)…
-- Returns: how many were lengthened
-- uses: lanes leases
local lease_ms, renewed, lanes = take_number(), 0, {}
for _ = 1, take_number() do
  local lane, member, token = take(), take(), take()
  if holds(lane, member, token) then
    redis.call("ZADD", k("leased", lane), "XX", int(now() + lease_ms), member)
    renewed = renewed + 1
    lanes[lane] = true
  end
end
announce(lanes)
return renewed
