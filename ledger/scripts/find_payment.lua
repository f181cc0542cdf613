-- Looks for any payment of a merchant, among about a thousand payments at a time.
-- ARGV: merchant, cursor ("0" at first)
-- Returns: {cursor to go on with ("0" at the end), 1 if one was found else 0}
local start, cursor = take() .. "/", take()
local next_cursor, found = unpack(redis.call("ZSCAN", k("ageing"), cursor, "COUNT", 1000))
for i = 1, #found, 2 do
  if string.sub(found[i], 1, #start) == start then return {next_cursor, 1} end
end
return {next_cursor, 0}
