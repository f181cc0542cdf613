-- Leases payments that are due for a refresh.
-- ARGV: lane, limit, lease (ms)
-- Returns: {lanes to kick, {now (ms), token, base of sequences, last change of the youngest payment that has left (ms, 0: none has),
--          i'mport's failures in a row, fields of merchant:m (empty if nothing is claimed or the merchant was deleted),
--          whether the merchant expects amounts for some orders (0 or 1),
--          per payment {imp_uid, tries, silent (0 or 1), record (or ""), i'mport's object (or ""), {notification that waits, …}}}}
-- uses: lanes leases payments records snapshots

-- About how many bytes of payments one claim reads. Long histories take several claims, so that Redis serves others in between.
local MOST_BYTES = 524288
-- A row with more fields than this is long.
local LONG_ROW = 64

local lane, limit, lease_ms = take(), take_number(), take_number()
local m = name_of(lane)
local token, may_claim = begin_claim(lane)
if not may_claim then return {{}, {int(now()), int(token), "0", "0", 0, {}, 0, {}}} end
reclaim(lane, lease_ms)

-- The row of a payment, with all that a refresh needs. Of a long row it reads only that, because most of such a row is events.
local function row_of_payment(p)
  local key = k("pay", p)
  if redis.call("HLEN", key) <= LONG_ROW then return table_of(redis.call("HGETALL", key)) end
  local fields, row = {"head", "record", "object"}, {}
  for _, id in ipairs(names_in(key, "n:")) do
    fields[#fields + 1] = "n:" .. id
    fields[#fields + 1] = "s:" .. id
  end
  for first = 1, #fields, MOST_ARGUMENTS do
    local values = redis.call("HMGET", key, unpack(fields, first, math.min(first + MOST_ARGUMENTS - 1, #fields)))
    for i, value in ipairs(values) do row[fields[first + i - 1]] = value or nil end
  end
  return row
end

-- Reads what a refresh needs of a payment.
-- Returns: {record, i'mport's object or "", {notification, …}}, and how many bytes these are
local function read_payment(imp)
  local p = m .. "/" .. imp
  local row, waiting, bytes = row_of_payment(p), {}, 0
  for name, value in pairs(row) do
    bytes = bytes + #value
    if string.sub(name, 1, 2) == "n:" then waiting[#waiting + 1] = string.sub(name, 3) end
  end
  -- A notification may be settled already, if an earlier script ended halfway.
  for i, id in ipairs(waiting) do waiting[i] = row["s:" .. id] or row["n:" .. id] end
  local object = row.object or ""
  if object == "" and row.head then object = snapshot(p, parsed_head(row.head).snap) or "" end
  return {row.record or "", object, waiting}, bytes + #object
end

-- The first of these payments, as many as one claim reads, but at least one.
local function readable(due)
  local some, read, bytes = {}, {}, 0
  for i, imp in ipairs(due) do
    local row, size = read_payment(imp)
    bytes = bytes + size
    if i > 1 and bytes > MOST_BYTES then break end
    some[i], read[i] = imp, row
  end
  return some, read
end

local not_before, probe_until, failures =
  unpack(redis.call("HMGET", k("lane", lane), "not_before", "probe_until", "failures"))
failures = tonumber(failures or 0)
local rows = {}
if math.max(tonumber(not_before or 0), tonumber(probe_until or 0)) <= now() then
  if failures > 0 then limit = 1 end
  local due, read = readable(redis.call("ZRANGEBYSCORE", k("due", lane), "-inf", int(now()), "LIMIT", 0, limit))
  lease(lane, due, token, lease_ms)
  if #due > 0 then
    -- These are no longer stalled: resume_merchant.lua need not make them due.
    redis.call("ZREM", k("stalled", lane), unpack(due))
    local tries, silent = redis.call("HMGET", k("tries", lane), unpack(due)), redis.call("SMISMEMBER", k("silent", lane), unpack(due))
    for i, imp in ipairs(due) do rows[i] = {imp, tries[i] or "0", silent[i], unpack(read[i])} end
  end
  if #due > 0 and lane == "unknown/" .. m then
    redis.call("HSET", k("lane", lane), "not_before", int(now() + UNKNOWN_EVERY))
  end
  -- i'mport was failing: one payment probes it, and no other is claimed until i'mport is back or this lease ends.
  if #due > 0 and failures > 0 then
    redis.call("HSET", k("lane", lane), "probe_until", int(now() + lease_ms))
  end
end
local base, left = unpack(redis.call("MGET", k("base"), k("left")))
local merchant, expects = {}, 0
if #rows > 0 then merchant, expects = redis.call("HGETALL", k("merchant", m)), redis.call("EXISTS", k("orders", m)) end
local kicks = index_and_kick(lane)
-- While a worker refreshes a few payments, what becomes due in their lane kicks no other worker: the script that settles them kicks the
-- lane, and the same worker goes on. It has `TURN_MS` for it; after that it kicks the lane for others (share_lane.lua).
if #kicks == 0 and #rows > 0 and #rows <= MOST_OF_TURN and lane == "refresh/" .. m then
  redis.call("SET", k("kicked", lane), "turn " .. int(token), "PX", TURN_MS)
end
return {kicks, {int(now()), int(token), base or "0", left or "0", failures, merchant, expects, rows}}
