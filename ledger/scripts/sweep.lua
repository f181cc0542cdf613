-- The lanes that have due work and that no worker has been told of. ARGV: limit, owner, lease (ms)
-- One worker sweeps at a time. Answer: lanes to kick
-- uses: lanes memory
local owner = redis.call("GET", k("sweeper"))
if owner and owner ~= ARGV[2] then return {} end
redis.call("SET", k("sweeper"), ARGV[2], "PX", ARGV[3])

-- Near its limit of memory nothing more is claimed.
if has_room(0) then
  redis.call("DEL", k("crowded"))
else
  redis.call("SET", k("crowded"), "1", "PX", 2000)
end

local kicks = {}
for _, lane in ipairs(redis.call("ZRANGEBYSCORE", k("lanes"), "-inf", int(now()), "LIMIT", 0, ARGV[1])) do
  if kick(lane, now()) then kicks[#kicks + 1] = lane end
end
return kicks
