-- Marks payments dirty that a reconciliation found to differ, and remembers the missing ones until they were looked at.
-- ARGV: run, merchant, then per payment: imp_uid, missing (0 or 1), when i'mport should have announced what differs (ms, or ""),
--       "1" to record what is found silently, "0" to send it, "" to leave what was decided
-- Answer: lanes to kick
-- uses: lanes payments
local run, m, lanes = ARGV[1], ARGV[2], {}
local found, unheard = k("recon", run, "found"), k("recon", run, "unheard")
for i = 3, #ARGV, 4 do
  local imp, missing, announced, quiet = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  -- One that was found before and could not be looked at since is not missed once more.
  local new = missing == "1" and redis.call("ZADD", found, "NX", int(now()), imp) == 1
  if new and announced ~= "" then redis.call("ZADD", unheard, announced, imp) end
  decide_quiet(m, imp, quiet)
  lanes[mark(m, imp, now())] = true
end
redis.call("EXPIRE", found, 172800)
redis.call("EXPIRE", unheard, 172800)
return announce(lanes)
