"""Who may do what: people, their sessions, machines and their tokens, and the log of what they changed."""
