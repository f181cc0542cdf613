-- Seals the canary anew, unless somebody else was quicker. ARGV: canary as it was read, canary
if redis.call("GET", k("canary")) == ARGV[1] then redis.call("SET", k("canary"), ARGV[2]) end
return 0
