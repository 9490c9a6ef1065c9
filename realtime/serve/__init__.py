"""Server: live sessions over a WebSocket, files and texts over HTTP, and the page."""
