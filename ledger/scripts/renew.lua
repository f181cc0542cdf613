-- Lengthens leases that are still held. ARGV: lease (ms), then (lane, member, token)…  Answer: how many were
-- uses: lanes
local renewed, lanes = 0, {}
for i = 2, #ARGV, 3 do
  local lane, member = ARGV[i], ARGV[i + 1]
  if holds(lane, member, ARGV[i + 2]) then
    redis.call("ZADD", k("leased", lane), "XX", int(now() + tonumber(ARGV[1])), member)
    renewed = renewed + 1
    lanes[lane] = true
  end
end
announce(lanes)
return renewed
