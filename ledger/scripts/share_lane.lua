-- Kicks a lane that has due work, unless a kick or a turn is under way.
-- ARGV: lane
-- Returns: {lanes to kick}
-- uses: lanes
return {index_and_kick(take())}
