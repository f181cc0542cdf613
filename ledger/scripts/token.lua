-- i'mport's access token for some credentials. ARGV: get | put | forget | lock, name of the credentials, token, ttl (ms)
local what, name = ARGV[1], k("imp_token", ARGV[2])
if what == "get" then
  local token = redis.call("GET", name)
  return token and {token, redis.call("PTTL", name)} or nil
elseif what == "put" then
  redis.call("SET", name, ARGV[3], "PX", ARGV[4])
  redis.call("DEL", k("imp_lock", ARGV[2]))
elseif what == "forget" then
  if redis.call("GET", name) == ARGV[3] then redis.call("DEL", name) end
else
  return take_for(k("imp_lock", ARGV[2]), tonumber(ARGV[4])) and 1 or 0
end
return 1
