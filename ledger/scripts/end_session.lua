-- Notes that an operator has signed out of a session.
-- ARGV: name of the session, how long its cookie would still be valid (ms)
-- Returns: 1
redis.call("SET", k("ended_session", take()), 1, "PX", take())
return 1
