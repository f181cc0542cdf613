-- Closes a cell if it is empty, and removes its name: Redis was emptied while a process opened the ledger.
-- ARGV: none
-- Returns: 1
if redis.call("EXISTS", k("restoring"), k("merchants"), k("endpoints"), k("ageing")) == 0 then
  redis.call("DEL", k("open"), k("name"))
end
return 1
