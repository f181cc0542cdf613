-- Marks payments dirty that a reconciliation found to differ; remembers the missing ones until they are refreshed.
-- ARGV: run, merchant, how many, then per payment:
--       imp_uid, missing (0 or 1), when i'mport should have announced what differs (ms, or ""),
--       "1" if its refresh is to record silently, "0" to deliver, "" to leave the earlier decision
-- Returns: {lanes to kick}
-- uses: lanes payments
local KEPT_SECONDS = 172800
local run, m, lanes = take(), take(), {}
local found, awaiting = k("recon", run, "found"), k("recon", run, "awaiting_webhook")
for _ = 1, take_number() do
  local imp, is_missing, announced_at, silent = take(), take_flag(), take_text(), take_text()
  -- A payment that was found before and could not be refreshed since is not counted as missing again.
  local is_new = is_missing and redis.call("ZADD", found, "NX", int(now()), imp) == 1
  if is_new and announced_at then redis.call("ZADD", awaiting, announced_at, imp) end
  decide_silent(m, imp, silent)
  lanes[mark_dirty(m, imp, now())] = true
end
redis.call("EXPIRE", found, KEPT_SECONDS)
redis.call("EXPIRE", awaiting, KEPT_SECONDS)
return {announce(lanes)}
