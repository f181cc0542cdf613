-- The tombstones of payments that retention removed, "" where there is none. ARGV: merchant, imp_uids…
local answer = {}
for i = 2, #ARGV do answer[i - 1] = redis.call("GET", k("tomb", ARGV[1] .. "/" .. ARGV[i])) or "" end
return answer
