-- Finds the endpoints that an event goes to.
-- ARGV: event
-- Returns: endpoints…
-- uses: rows
local event = take()
return names_in(row_of(event).key, "d:" .. event .. ".")
