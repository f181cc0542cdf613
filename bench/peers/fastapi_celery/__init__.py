"""A peer with an environment of its own, which `requirements.lock` pins."""
