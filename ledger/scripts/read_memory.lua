-- How full Redis is. Answer: {bytes in use, maxmemory (0 for none), 1 where nothing new is begun}
-- uses: memory
local used, most = memory()
return {int(used), int(most), is_nearly_full(used, most) and 1 or 0}
