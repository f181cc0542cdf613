-- Notes notifications and marks their payments dirty. Answer: {lanes to kick, then per notification "ok" or "unknown"}
-- ARGV: how many, then per notification:
--   id, merchant, imp_uid, merchant_uid, status, cancellation_id, source, verified (0 or 1), received_at (ms or ""),
--   extra, token_hash (or ""), stranger: what an unverified sender is budgeted under (or "")
-- uses: lanes payments

local WIDTH = 12
local OF_ONE, OF_ALL = 300, 3000
local known, lanes = {}, {}

-- A merchant's webhook token decides; `default` is there before anybody has set it up.
local function welcome(m, token_hash)
  local wanted = known[m]
  if wanted == nil then
    local row = redis.call("HMGET", k("merchant", m), "created_at", "token_hash")
    wanted = (row[1] or m == "default") and (row[2] or "") or false
    known[m] = wanted
  end
  return wanted and wanted == token_hash
end

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

local answers, noted = {}, 0
for i = 1, tonumber(ARGV[1]) do
  local at = 1 + (i - 1) * WIDTH
  local id, m, imp = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local p = m .. "/" .. imp
  if not welcome(m, ARGV[at + 11]) then
    answers[i] = "unknown"
  elseif redis.call("EXISTS", k("ntf", id)) == 1 then
    answers[i] = "ok"
  else
    local received = ARGV[at + 9] ~= "" and ARGV[at + 9] or int(now())
    redis.call("HSET", k("ntf", id), "merchant", m, "imp_uid", imp, "merchant_uid", ARGV[at + 4], "status", ARGV[at + 5],
      "cancellation_id", ARGV[at + 6], "source", ARGV[at + 7], "verified", ARGV[at + 8], "received_at", received,
      "extra", ARGV[at + 10], "outcome", "pending", "reason", "")
    redis.call("ZADD", k("ntfs"), received, id)
    redis.call("ZADD", k("ntfs", "m", m), received, id)
    redis.call("ZADD", k("ntfs", "p", p), received, id)
    redis.call("ZADD", k("ntfs", "o", "pending"), received, id)
    -- A look answers what was noted before its claim: stamps and fencing tokens come from one counter.
    local stamp = redis.call("INCR", k("seq"))
    redis.call("ZADD", k("waiting", p), stamp, id)
    if ARGV[at + 8] == "1" and ARGV[at + 5] == "cancelled" and ARGV[at + 6] ~= "" then
      redis.call("HSET", k("claims", p), ARGV[at + 6], stamp)
    end
    if within_budget(m, imp, ARGV[at + 12]) then
      lanes[mark(m, imp, now())] = true
    else
      touch("unknown/" .. m, imp, now())
      lanes["unknown/" .. m] = true
    end
    answers[i] = "ok"
    noted = noted + 1
  end
end

if noted > 0 then count("accepted", noted) end
return {announce(lanes), answers}
