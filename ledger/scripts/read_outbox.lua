-- Reads how much of the outbox waits for the recorder.
-- ARGV: none
-- Returns: {place of the newest item, how many items wait, place of the oldest of these or "", now (ms), the ledger's name or ""}
local recorded = redis.call("GET", k("recorded"))
local name = redis.call("GET", k("name")) or ""
local newest = redis.call("XREVRANGE", k("outbox"), "+", "-", "COUNT", 1)[1]
if not newest then return {"0-0", 0, "", int(now()), name} end
local oldest = redis.call("XRANGE", k("outbox"), "-", "+", "COUNT", 2)
local waiting = redis.call("XLEN", k("outbox"))
if oldest[1][1] == recorded then
  waiting = waiting - 1
  table.remove(oldest, 1)
end
return {newest[1], waiting, oldest[1] and oldest[1][1] or "", int(now()), name}
