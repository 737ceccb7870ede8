"""What people and the city's GIS see: health, metrics, read API, live events and one page. Reads the city store only."""
