"""Examples: clients in three languages, and the server inside an application."""
