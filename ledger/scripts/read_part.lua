-- Reads a part of a sorted set, in no order. A member that stays in the set is in one of the parts.
-- ARGV: key, cursor ("0" at first)
-- Returns: {cursor to go on with ("0" at the end), members}
local name, cursor = take(), take()
local next_cursor, found = unpack(redis.call("ZSCAN", k(name), cursor, "COUNT", 50))
local members = {}
for i = 1, #found, 2 do members[#members + 1] = found[i] end
return {next_cursor, members}
