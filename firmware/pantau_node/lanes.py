"""What is known of a frame in the outbox beside its name: flags, and the lanes that the sender takes it from."""

from micropython import const

ANY = const(0)  # lane: whatever is held, oldest first
ALARM = const(1)
LIVE = const(2)  # sealed while the link was up and not sent yet; it ends with the boot
