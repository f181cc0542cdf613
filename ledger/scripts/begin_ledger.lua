-- Stores the version of the stored shapes, a canary, a name and a number of cells in a ledger that has none yet.
-- ARGV: version, canary (sealed), name, number of cells, version from which on these shapes can be read
-- Returns: {version it has, canary it has, name it has, number of cells it has, version from which on its shapes can be read}
local has = {}
for i, name in ipairs({"version", "canary", "name", "cells", "readable_from"}) do
  redis.call("SETNX", k(name), take())
  has[i] = redis.call("GET", k(name))
end
return has
