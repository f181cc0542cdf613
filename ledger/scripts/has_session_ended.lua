-- Reads whether an operator has signed out of a session.
-- ARGV: name of the session
-- Returns: 1 or 0
return redis.call("EXISTS", k("ended_session", take()))
