-- Marks a payment dirty; what its refresh finds is delivered.
-- ARGV: merchant, imp_uid
-- Returns: {lanes to kick}
-- uses: lanes payments
local m, imp = take(), take()
decide_silent(m, imp, "0")
return {index_and_kick(mark_dirty(m, imp, now()))}
