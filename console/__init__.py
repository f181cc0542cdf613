"""The operator API and the web console: private, for the people who run the relay."""
