-- Raises a ledger's versions, because a process that writes newer shapes begins: one that cannot read them must not start from now on.
-- ARGV: version, version from which on these shapes can be read
-- Returns: 1
for _, name in ipairs({"version", "readable_from"}) do
  local version = take()
  if tonumber(redis.call("GET", k(name)) or 0) < tonumber(version) then redis.call("SET", k(name), version) end
end
return 1
