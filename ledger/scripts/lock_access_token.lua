-- Gives one caller the right to fetch a new access token for some credentials.
-- ARGV: name of the credentials, for how long (ms)
-- Returns: 1, or 0 if another caller has that right
local name, ms = take(), take_number()
return take_for(k("imp_lock", name), ms) and 1 or 0
