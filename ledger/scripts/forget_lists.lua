-- Removes the lists that earlier versions kept for pages, which are made from history now.
-- ARGV: how many statuses of payments, these, how many types of their events, these
-- Returns: 1
local statuses, types = take_rows(1), take_rows(1)

local function forget(...)
  redis.call("UNLINK", k(...))
end

for _, name in ipairs({"pays", "evts", "dlvs", "ntfs"}) do forget(name) end
for _, outcome in ipairs({"applied", "unchanged"}) do forget("ntfs", "o", outcome) end
for _, status in ipairs(statuses) do forget("pays", "s", status) end
for _, type_ in ipairs(types) do forget("evts", "t", type_) end

local function forget_merchant(m)
  for _, name in ipairs({"pays", "evts", "ntfs"}) do forget(name, "m", m) end
  for _, status in ipairs(statuses) do forget("pays", "ms", m .. "/" .. status) end
end

local function forget_endpoint(ep)
  forget("dlvs", "e", ep)
  for _, state in ipairs({"delivered", "discarded"}) do forget("dlvs", "s", ep .. "/" .. state) end
end

forget_merchant(DEFAULT_MERCHANT)
for _, name in ipairs({k("merchants"), k("merchants", "deleted")}) do
  for _, m in ipairs(redis.call("ZRANGE", name, 0, -1)) do forget_merchant(m) end
end
for _, name in ipairs({k("endpoints"), k("endpoints", "deleted")}) do
  for _, ep in ipairs(redis.call("ZRANGE", name, 0, -1)) do forget_endpoint(ep) end
end
return 1
