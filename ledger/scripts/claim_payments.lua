-- Leases payments that are due to be looked at.
-- ARGV: lane, limit, lease (ms), budget (ms from one claim of this lane to the next, 0 for none)
-- Answer: {now, token, base of sequences, lane to kick or "", lane's failures in a row,
--          then per payment {imp_uid, tries, quiet, fields of pay:p, fields of facts:p, claims:p, tomb or "", escrow:p}}
-- uses: lanes

-- Bytes that one claim reads of payments, about: long histories come in several claims, so that nobody waits for them.
local MOST_BYTES, FACT_BYTES = 2097152, 350

local lane, limit = ARGV[1], tonumber(ARGV[2])
local m = string.match(lane, "/(.*)$")
local token = redis.call("INCR", k("seq"))  -- first, because Redis may refuse it when it is full: then nothing has happened
if crowded(lane) then return {int(now()), int(token), "0", "", 0, {}} end
redis.call("DEL", k("kicked", lane))
reclaim(lane, ARGV[3])

-- As many of these payments as one claim reads; one at least.
local function readable(due)
  local some, bytes = {}, 0
  for i, imp in ipairs(due) do
    local p = m .. "/" .. imp
    bytes = bytes + redis.call("HSTRLEN", k("pay", p), "snapshot") + redis.call("HLEN", k("facts", p)) * FACT_BYTES
      + redis.call("STRLEN", k("tomb", p))
    if i > 1 and bytes > MOST_BYTES then break end
    some[i] = imp
  end
  return some
end

local limits = redis.call("HMGET", k("lane", lane), "not_before", "probe_until", "failures")
local failures = tonumber(limits[3] or 0)
local rows = {}
if math.max(tonumber(limits[1] or 0), tonumber(limits[2] or 0)) <= now() then
  if failures > 0 then limit = 1 end
  local due = readable(redis.call("ZRANGEBYSCORE", k("due", lane), "-inf", int(now()), "LIMIT", 0, limit))
  lease(lane, due, token, tonumber(ARGV[3]))
  -- What is being looked at is not put off any more: recovery need not touch it.
  with_all("ZREM", k("stalled", lane), due)
  local tries = #due > 0 and redis.call("HMGET", k("tries", lane), unpack(due))
  for i, imp in ipairs(due) do
    local p = m .. "/" .. imp
    local fields = redis.call("HGETALL", k("pay", p))
    rows[i] = {imp, tries[i] or "0", redis.call("SISMEMBER", k("quiet", lane), imp), fields,
      #fields > 0 and redis.call("HGETALL", k("facts", p)) or {}, redis.call("HGETALL", k("claims", p)),
      #fields == 0 and redis.call("GET", k("tomb", p)) or "", redis.call("HGETALL", k("escrow", p))}
  end
  if #due > 0 and tonumber(ARGV[4]) > 0 then
    redis.call("HSET", k("lane", lane), "not_before", int(now() + tonumber(ARGV[4])))
  end
  -- i'mport was failing: one payment finds out whether it still is, and nobody else goes until it is back or its lease ends.
  if #due > 0 and failures > 0 then
    redis.call("HSET", k("lane", lane), "probe_until", int(now() + tonumber(ARGV[3])))
  end
end
local at = index_lane(lane)
local again = kick(lane, at) and lane or ""
return {int(now()), int(token), redis.call("GET", k("base")) or "0", again, failures, rows}
