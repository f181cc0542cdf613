"""The web console: pages for the people who run the relay. They are rendered on the server and load nothing from other
sites."""
