-- Reads Redis' time.
-- ARGV: none
-- Returns: ms
return int(now())
