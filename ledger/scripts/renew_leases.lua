-- Lengthens leases that are still held, and records that workers can renew theirs. If none could for a while, claims leave ended leases
-- alone for a moment (shared/leases.lua).
-- ARGV: lease (ms), how many, (lane, member, token)…
-- Returns: {lanes to kick}
-- uses: lanes leases
local lease_ms, lanes = take_number(), {}
redis.call("DEL", k("probe"))  -- there is no such key; but after a first DEL, even a full Redis allows all commands of a script

local open, last = unpack(redis.call("MGET", k("open"), k("renewed_at")))
if open then
  if not last or now() - tonumber(last) > UNRENEWED_MS then redis.call("SET", k("renewed_again_at"), int(now())) end
  redis.call("SET", k("renewed_at"), int(now()))
end

for _ = 1, take_number() do
  local lane, member, token = take(), take(), take()
  if holds(lane, member, token) then
    redis.call("ZADD", k("leased", lane), "XX", int(now() + lease_ms), member)
    lanes[lane] = true
  end
end
return {announce(lanes)}
