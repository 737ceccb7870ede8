"""What `pantau bench sinks` measures: each sink on its real server, beside that server's own bulk tool."""
