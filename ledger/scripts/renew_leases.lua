-- Lengthens leases that are still held.
-- ARGV: lease (ms), how many, (lane, member, token)…
-- Returns: {lanes to kick}
-- uses: lanes leases
local lease_ms, lanes = take_number(), {}
for i = 1, take_number() do
  local lane, member, token = take(), take(), take()
  -- First, because Redis allows this when it is full, and then all that follows.
  if i == 1 then redis.call("HDEL", k("tokens", lane), "") end
  if holds(lane, member, token) then
    redis.call("ZADD", k("leased", lane), "XX", int(now() + lease_ms), member)
    lanes[lane] = true
  end
end
return {announce(lanes)}
