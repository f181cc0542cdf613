-- Stores how far a reconciliation is.
-- ARGV: id, row (JSON), merchant, by hand (0 or 1), running (0 or 1), failing (0 or 1), entry for history
-- Returns: 1
-- uses: outbox
local id, row, m, by_hand, is_running, is_failing, entry = take(), take(), take(), take_flag(), take(), take(), take()
redis.call("HSET", k("recon", id), "row", row, "merchant", m, "is_running", is_running, "is_failing", is_failing)
if by_hand then
  redis.call("ZADD", k("recons"), "NX", int(now()), id)
  redis.call("ZADD", k("recons", "m", m), "NX", int(now()), id)
  append_entry(entry, {changed_at = now(), revision = revision()})
end
return 1
