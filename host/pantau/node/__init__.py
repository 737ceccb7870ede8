"""What a technician does with a board on a cable: find, flash, install, provision, commission, look."""
