"""Other ways to do the relay's job, written as people usually write them.

Each takes a webhook, looks the payment up, stores the result in Redis and posts one signed callback to each endpoint.
"""
