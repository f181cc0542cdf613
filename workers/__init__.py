"""The Dramatiq workers: they look at payments and send callbacks."""
