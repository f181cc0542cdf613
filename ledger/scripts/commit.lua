-- Writes what a look (or an operator) changed about a payment, in one step, and settles the look.
--
-- ARGV: lane ("" for an operator), merchant, imp_uid, token, version it was read at, next look (ms from now or ""),
--       outcome for the notifications it answers ("applied", "unchanged", or "" to let them wait), quiet (0 or 1),
--       merchant_uid, status, how many fields, (field, value)…, how many facts, (key, JSON)…,
--       how many events, (id, type, sequence, silent, body)…
-- Answer: {"ok", lanes to kick…} · {"lost"}: the lease ended or was used up, nothing is written ·
--         {"changed"}: somebody else wrote since, read again
-- uses: events lanes payments

local lane, m, imp, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local p = m .. "/" .. imp
local merchant_uid, status = ARGV[9], ARGV[10]
local pay = k("pay", p)

if lane ~= "" and not holds(lane, imp, token) then return {"lost"} end
local old = redis.call("HMGET", pay, "version", "status", "first_at")
if (old[1] or "0") ~= ARGV[5] then return {"changed"} end
local subs = redis.call("HGETALL", k("subs", m))
local waiting = redis.call("ZRANGEBYSCORE", k("waiting", p), "-inf", lane ~= "" and token or "+inf")
local quiet = ARGV[8] == "1" and redis.call("ZCARD", k("waiting", p)) == 0

local cursor = 11
local function take()
  cursor = cursor + 1
  return ARGV[cursor - 1]
end

local fields, facts, events = {}, {}, {}
for _ = 1, tonumber(take()) do
  fields[#fields + 1] = take()
  fields[#fields + 1] = take()
end
for _ = 1, tonumber(take()) do
  facts[#facts + 1] = take()
  facts[#facts + 1] = take()
end
for i = 1, tonumber(take()) do
  events[i] = {id = take(), kind = take(), sequence = take(), silent = take() == "1", body = take()}
end

redis.call("HSET", pay, unpack(fields))
for i = 1, #facts, 2 do redis.call("HSETNX", k("facts", p), facts[i], facts[i + 1]) end

local first_at = old[3] or int(now())
if not old[3] then
  redis.call("HSET", pay, "first_at", first_at)
  redis.call("ZADD", k("pays"), first_at, p)
  redis.call("ZADD", k("pays", "m", m), first_at, p)
  if merchant_uid ~= "" then redis.call("ZADD", k("pays", "u", merchant_uid), first_at, p) end
  redis.call("DEL", k("tomb", p))
end
if old[2] ~= status then
  if old[2] then
    redis.call("ZREM", k("pays", "s", old[2]), p)
    redis.call("ZREM", k("pays", "ms", m .. "/" .. old[2]), p)
  end
  redis.call("ZADD", k("pays", "s", status), first_at, p)
  redis.call("ZADD", k("pays", "ms", m .. "/" .. status), first_at, p)
end

redis.call("ZADD", k("ageing"), int(now()), p)

local lanes = {}
for _, event in ipairs(events) do
  for _, reached in ipairs(record(subs, m, imp, event.id, event.kind, event.sequence, event.silent or quiet, event.body)) do
    lanes[reached] = true
  end
end
if #events > 0 then count("events", #events) end

if lane ~= "" then forget_claims(p, token) end
if ARGV[7] ~= "" then
  for _, id in ipairs(waiting) do settle_notification(id, p, ARGV[7], "") end
  if ARGV[7] == "applied" and #waiting > 0 then count_day("applied", 1) end
end

if lane ~= "" then
  redis.call("HDEL", k("tries", lane), imp)
  redis.call("SREM", k("quiet", lane), imp)
  -- A payment that turned up in the slow lane goes on in the ordinary one.
  local at = ARGV[6] ~= "" and now() + tonumber(ARGV[6]) or nil
  release(lane, imp, at)
  lane = move(lane, "refresh/" .. m, imp)
  lanes[lane] = true
elseif ARGV[6] ~= "" then
  lane = lane_of(m, imp)
  touch(lane, imp, now() + tonumber(ARGV[6]))
  lanes[lane] = true
end

return {"ok", unpack(announce(lanes))}
