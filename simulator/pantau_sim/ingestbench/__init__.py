"""`pantau bench ingest`: the bridge against a C subscriber, on the same broker, with the same publishers, in one run."""
