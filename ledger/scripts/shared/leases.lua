-- Leases: how a claim takes members of a lane, and what becomes of leases that ended.
-- uses: lanes

-- Begins a claim. Under memory pressure (see sweep.lua) only retention is claimed, because work under way needs the memory that is left.
-- A ledger that is not open hands out nothing. In both cases the lane is kicked again in a second. Returns: fencing token, whether to claim
local function begin_claim(lane)
  local token = redis.call("INCR", k("seq"))  -- first: when Redis is full it refuses this, and then the claim has changed nothing
  local pressure, open = unpack(redis.call("MGET", k("memory_pressure"), k("open")))
  if not open or pressure and lane ~= "job/tidy" then
    redis.call("PEXPIRE", k("kicked", lane), 1000)
    return token, false
  end
  redis.call("DEL", k("kicked", lane))
  return token, true
end

-- Ends the turn that began with the claim of this token, unless another claim began one since (see claim_payments.lua).
local function end_turn(lane, token)
  if redis.call("GET", k("kicked", lane)) == "turn " .. token then redis.call("DEL", k("kicked", lane)) end
end

-- Shortens the leases, probe and rate of a lane that were written before Redis' clock was put back. A lease or probe lasts for `ms` at
-- most: one that ends later than that now ends in `ms`, unless its worker renews it. Returns: whether anything was shortened
local function shorten(lane, ms)
  local most, found = now() + ms, false
  if (score(redis.call("ZREVRANGE", k("leased", lane), 0, 0, "WITHSCORES")) or 0) > most then
    for _, member in ipairs(redis.call("ZRANGEBYSCORE", k("leased", lane), "(" .. int(most), "+inf")) do
      redis.call("ZADD", k("leased", lane), "XX", int(most), member)
    end
    found = true
  end
  local probe_until, tokens_at, not_before, rate_until =
    unpack(redis.call("HMGET", k("lane", lane), "probe_until", "tokens_at", "not_before", "rate_until"))
  if tonumber(probe_until or 0) > most then
    redis.call("HSET", k("lane", lane), "probe_until", int(most))
    found = true
  end
  -- A rate is counted from the last claim, which cannot be later than now; the next claim computes the wait anew.
  if tonumber(tokens_at or 0) > now() + 1000 then
    redis.call("HSET", k("lane", lane), "tokens_at", int(now()))
    if not_before and not_before == rate_until then redis.call("HDEL", k("lane", lane), "not_before") end
    found = true
  end
  return found
end

-- Until when ended leases must be left alone, because Redis was away and living workers have not had time to renew theirs yet
-- (renew_leases.lua). Returns: that time (ms), or nil if there is no such reason
local function left_alone_until()
  local last, again = unpack(redis.call("MGET", k("renewed_at"), k("renewed_again_at")))
  last, again = tonumber(last or nil), tonumber(again or nil)
  if not last or now() - last > UNRENEWED_MS then return now() + RENEW_WITHIN_MS end
  -- A time in the future was written before Redis' clock was put back.
  if again and again <= now() and now() < again + RENEW_WITHIN_MS then return again + RENEW_WITHIN_MS end
end

-- Makes the members of ended leases due again: their workers died or were cut off. If workers could not renew them because Redis was
-- away, lengthens these leases instead. `ms` is how long a lease lasts.
local function reclaim(lane, ms)
  if ms then shorten(lane, ms) end
  local lost = redis.call("ZRANGEBYSCORE", k("leased", lane), "-inf", int(now()), "LIMIT", 0, 1000)
  local later = #lost > 0 and left_alone_until()
  if later then
    for _, member in ipairs(lost) do redis.call("ZADD", k("leased", lane), "XX", int(later), member) end
    return
  end
  for _, member in ipairs(lost) do
    redis.call("HDEL", k("tokens", lane), member)
    redis.call("ZADD", k("due", lane), int(now()), member)
    redis.call("ZREM", k("touched", lane), member)
    redis.call("ZREM", k("leased", lane), member)  -- last: if Redis refuses a command before it, the lease is found again
  end
end

-- Leases members that are due, for so many ms.
local function lease(lane, members, token, ms)
  if #members == 0 then return end
  local leases, tokens, ends = {}, {}, int(now() + ms)
  for i, member in ipairs(members) do
    leases[2 * i - 1], leases[2 * i] = ends, member
    tokens[2 * i - 1], tokens[2 * i] = member, token
  end
  touched_lanes[lane] = true
  with_all("ZADD", k("leased", lane), leases)
  with_all("HSET", k("tokens", lane), tokens)
  with_all("ZREM", k("due", lane), members)
end

-- Whether the member's lease has this token.
local function holds(lane, member, token)
  return redis.call("HGET", k("tokens", lane), member) == token
end

-- The tokens of leases in a lane, by member.
local function tokens_of(lane, members)
  local tokens, found = redis.call("HMGET", k("tokens", lane), unpack(members)), {}
  for i, member in ipairs(members) do found[member] = tokens[i] or nil end
  return found
end
