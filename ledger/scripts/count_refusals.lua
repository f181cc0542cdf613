-- Adds to the counts of refused webhooks. ARGV: (reason, count)…
for i = 1, #ARGV, 2 do
  redis.call("HINCRBY", k("refusals"), ARGV[i], ARGV[i + 1])
  count("refused", ARGV[i + 1])
end
return 0
