-- Ends leases with nothing done: what was held is due at once. ARGV: (lane, member, token)…  Answer: the lanes to kick
-- uses: lanes
local lanes = {}
for i = 1, #ARGV, 3 do
  local lane, member = ARGV[i], ARGV[i + 1]
  if holds(lane, member, ARGV[i + 2]) then
    release(lane, member, now())
    lanes[lane] = true
  end
end
return announce(lanes)
