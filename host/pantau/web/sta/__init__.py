"""The SensorThings API 1.1 (OGC 18-088), read only, on the embedded store: /sta/v1.1/."""
