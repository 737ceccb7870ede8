"""What a technician may ask on the console, without a key: nothing here changes anything or shows a secret. docs/console.md."""

VERBS = ("hello", "status", "read", "selftest", "logs", "pull", "get", "seen", "put")
