"""What node and fleet say of an update to each other: states and sizes. Apart from bundle.py, which a node needs for a few chunks only."""

MAX_HEAD = 1896  # bytes before the payload: magic 5, size 4, manifest 1500, size and key 3, signature 384
MAX_CHUNK = 800  # bytes of the bundle in one UPDATE frame
APP, IMAGE = "app", "image"
# update_state of a health frame; the detail of a RESULT begins with the word. ok is 0 for the last two, and for "busy".
RECEIVING, VERIFIED, TRIAL, ACCEPTED, ROLLED_BACK, REFUSED = 1, 2, 3, 4, 5, 6
WORDS = ("none", "receiving", "verified", "trial", "accepted", "rolled back", "refused")
