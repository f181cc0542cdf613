-- Notes notifications and marks their payments dirty. Answer: {lanes to kick, then per notification "ok" or "unknown"}
-- ARGV: how many, then per notification:
--   id, merchant, imp_uid, merchant_uid, status, cancellation_id, source, verified (0 or 1), received_at (ms or ""),
--   extra, token_hash (or ""), stranger: what an unverified sender is budgeted under (or ""),
--   key and JSON of the escrow change it tells of (or ""), why that is not believed of this sender (or "")
-- A notification that is there counts as noted. So it is written last, when its payment is dirty and its lane is indexed: where
-- Redis refuses a command before that, whoever sends it again has all of it done again.
-- uses: lanes payments welcome

local WIDTH = 15
local OF_ONE, OF_ALL = 300, 3000
local lanes, stamp = {}, nil

-- Strangers can name payments without end. So many of one, and of all of them, are looked at at once in a minute; the rest
-- waits in the slow lane, a look-up a second. What is known, or due anyway, is free.
local function within_budget(m, imp, stranger)
  local p, lane = m .. "/" .. imp, "refresh/" .. m
  if stranger == "" or redis.call("EXISTS", k("pay", p), k("tomb", p)) > 0 or redis.call("ZSCORE", k("due", lane), imp)
    or redis.call("HEXISTS", k("tokens", lane), imp) == 1 then return true end
  -- Of all first: so there are never more counters than that.
  for _, limit in ipairs({{k("strangers"), OF_ALL}, {k("strangers", stranger), OF_ONE}}) do
    local n = redis.call("INCR", limit[1])
    if n == 1 then redis.call("PEXPIRE", limit[1], 60000) end
    if n > limit[2] then return false end
  end
  return true
end

-- An escrow change waits for a look. Told again before that, it happened when it was first received.
local function keep_escrow(p, change, text, received)
  local known = redis.call("HGET", k("escrow", p), change)
  local rest = known and string.match(known, "^%d+(:.*)$") or ":" .. received .. ":" .. text
  redis.call("HSET", k("escrow", p), change, int(stamp) .. rest)
end

-- What the next look is to see of a notification.
local function await(id, p, status, cancellation_id, verified)
  redis.call("ZADD", k("waiting", p), int(stamp), id)
  if verified == "1" and status == "cancelled" and cancellation_id ~= "" then
    redis.call("HSET", k("claims", p), cancellation_id, int(stamp))
  end
end

local function note(id, m, imp, merchant_uid, status, cancellation_id, source, verified, received, extra, escrow, doubt)
  local p = m .. "/" .. imp
  redis.call("HSET", k("ntf", id), "merchant", m, "imp_uid", imp, "merchant_uid", merchant_uid, "status", status,
    "cancellation_id", cancellation_id, "source", source, "verified", verified, "received_at", received,
    "extra", extra, "outcome", "pending", "reason", doubt, unpack(escrow ~= "" and doubt == "" and {"escrow", escrow} or {}))
  list(k("ntfs"), id, received)
  list(k("ntfs", "m", m), id, received)
  list(k("ntfs", "p", p), id, received)
  list(k("ntfs", "o", "pending"), id, received)
  count("accepted", 1)
end

local answers, notes, noted = {}, {}, {}
for i = 1, tonumber(ARGV[1]) do
  local at = 1 + (i - 1) * WIDTH
  local id, m, imp, received = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 9]
  if not welcome(m, ARGV[at + 11]) then
    must_be_primary()
    answers[i] = "unknown"
  elseif noted[id] or redis.call("EXISTS", k("ntf", id)) == 1 then
    answers[i] = "ok"
  else
    -- A look answers what was noted before its claim: stamps and fencing tokens come from one counter.
    stamp = stamp or redis.call("INCR", k("seq"))
    received = received ~= "" and received or int(now())
    noted[id] = true
    notes[#notes + 1] = {id, m, imp, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7], ARGV[at + 8],
      received, ARGV[at + 10], ARGV[at + 13], ARGV[at + 15]}
    if within_budget(m, imp, ARGV[at + 12]) then
      lanes[mark(m, imp, now())] = true
    else
      touch("unknown/" .. m, imp, now())
      lanes["unknown/" .. m] = true
    end
    await(id, m .. "/" .. imp, ARGV[at + 5], ARGV[at + 6], ARGV[at + 8])
    if ARGV[at + 13] ~= "" and ARGV[at + 15] == "" then
      keep_escrow(m .. "/" .. imp, ARGV[at + 13], ARGV[at + 14], received)
    end
    answers[i] = "ok"
  end
end

local kicks = announce(lanes)
for _, one in ipairs(notes) do note(unpack(one)) end
return {kicks, answers}
