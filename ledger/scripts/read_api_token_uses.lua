-- Reads when operators' tokens were last used.
-- ARGV: fingerprints
-- Returns: per fingerprint the time (ms), or false if none is remembered
local names = {}
for i, token in ipairs(take_rest()) do names[i] = k("token_use", token) end
return redis.call("MGET", unpack(names))
