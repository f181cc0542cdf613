-- The lanes that have due work and that no worker has been told of. ARGV: limit, owner, how long it sweeps (ms), lease (ms)
-- One worker sweeps at a time. Answer: lanes to kick
-- uses: lanes memory
local owner = redis.call("GET", k("sweeper"))
-- One that expires later than it can have been told to was written before Redis' clock was put back.
if owner and owner ~= ARGV[2] and redis.call("PTTL", k("sweeper")) <= tonumber(ARGV[3]) then return {} end
redis.call("SET", k("sweeper"), ARGV[2], "PX", ARGV[3])

-- Near its limit of memory nothing more is claimed.
if has_room(0) then
  redis.call("DEL", k("crowded"))
else
  redis.call("SET", k("crowded"), "1", "PX", 2000)
end

-- Lanes that want nobody for longer than a lease: maybe only because a lease is not to be believed. Some of them each time.
local AT_ONCE = 100
local later = "(" .. int(now() + tonumber(ARGV[4]))
local pages = math.ceil(redis.call("ZCOUNT", k("lanes"), later, "+inf") / AT_ONCE)
local shortened = {}
if pages > 0 then
  local page = math.floor(now() / 250) % pages
  for _, lane in ipairs(redis.call("ZRANGEBYSCORE", k("lanes"), later, "+inf", "LIMIT", page * AT_ONCE, AT_ONCE)) do
    if shorten(lane, tonumber(ARGV[4])) then shortened[lane] = true end
  end
end

local kicks = announce(shortened)
for _, lane in ipairs(redis.call("ZRANGEBYSCORE", k("lanes"), "-inf", int(now()), "LIMIT", 0, ARGV[1])) do
  if kick(lane, now()) then kicks[#kicks + 1] = lane end
end
return kicks
