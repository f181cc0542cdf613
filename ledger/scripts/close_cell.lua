-- Closes a cell if it is empty, and removes its name: Redis was emptied while a process opened the ledger.
-- ARGV: none
-- Returns: 1
-- uses: opening restoring
if not is_restoring() and is_empty() then redis.call("DEL", k("open"), k("name")) end
return 1
