-- Marks a payment dirty.
-- ARGV: merchant, imp_uid, due in (ms), silent (0 or 1)
-- Returns: {lanes to kick}
-- uses: lanes payments
local m, imp, due_in, silent = take(), take(), take_number(), take()
decide_silent(m, imp, silent)
return {index_and_kick(mark_dirty(m, imp, now() + due_in))}
