"""OGC API Features (Part 1 Core, Part 2 reference systems), read only: /ogc/, for the city's GIS."""
