"""Other ways to do the relay's job, written as people usually write them."""
