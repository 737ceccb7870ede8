"""Measurements that users can repeat: `pantau bench NAME`, one module each."""
