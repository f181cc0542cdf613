-- Reads how full Redis is.
-- ARGV: none
-- Returns: {bytes in use, maxmemory (0 for no limit), 1 if it is nearly full else 0}
-- uses: memory
local used, most = memory()
return {int(used), int(most), is_nearly_full(used, most) and 1 or 0}
