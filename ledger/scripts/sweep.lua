-- Lists the lanes that have due work and no kick under way. One worker sweeps at a time.
-- ARGV: lease (ms)
-- Returns: {lanes to kick, when to sweep next (ms from now)}
-- uses: lanes leases memory
local lease_ms = take_number()
local MOST_KICKED = 500
local PRESSURE_MS = 2000
local SHORTEST_MS = 50  -- so that many lanes that are due shortly after each other share a sweep
-- Under memory pressure nothing new is claimed (see leases.lua).
local pressed = not has_memory_for(0)
if pressed then
  redis.call("SET", k("memory_pressure"), "1", "PX", PRESSURE_MS)
else
  redis.call("DEL", k("memory_pressure"))
end

-- Lanes that need no worker for longer than a lease lasts: perhaps only because a lease was written before Redis' clock was put back. Each
-- sweep looks at some of them.
local AT_ONCE = 100
local later = "(" .. int(now() + lease_ms)
local pages = math.ceil(redis.call("ZCOUNT", k("lanes"), later, "+inf") / AT_ONCE)
local shortened = {}
if pages > 0 then
  local page = math.floor(now() / SWEEP_MS) % pages
  for _, lane in ipairs(redis.call("ZRANGEBYSCORE", k("lanes"), later, "+inf", "LIMIT", page * AT_ONCE, AT_ONCE)) do
    if shorten(lane, lease_ms) then shortened[lane] = true end
  end
end

local kicks = announce(shortened)
for _, lane in ipairs(redis.call("ZRANGEBYSCORE", k("lanes"), "-inf", int(now()), "LIMIT", 0, MOST_KICKED)) do
  if kick(lane, now()) then kicks[#kicks + 1] = lane end
end

-- While a lane is due, the sweep comes back to it, until a worker has claimed it.
local first = score(redis.call("ZRANGE", k("lanes"), 0, 0, "WITHSCORES"))
local rest = SWEEP_AGAIN_MS
if pressed or first and first <= now() then
  rest = SWEEP_MS
elseif first then
  rest = math.min(rest, math.max(SHORTEST_MS, first - now()))
end
redis.call("SET", k("sweep_at"), int(now() + rest))
return {kicks, rest}
