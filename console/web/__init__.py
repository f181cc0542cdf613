"""The web console: pages for the people who run the relay, made on the server, without anything from elsewhere."""
