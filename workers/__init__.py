"""The Dramatiq workers: they refresh payments and send callbacks."""
