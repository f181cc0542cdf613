-- A process that writes newer shapes is about to: older ones must not start again. ARGV: version
if tonumber(redis.call("GET", k("version")) or 0) < tonumber(ARGV[1]) then redis.call("SET", k("version"), ARGV[1]) end
return 1
