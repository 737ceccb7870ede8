# Runs first after every reset. The buffer lets an interrupt handler (pulse inputs) report an exception.
import micropython

micropython.alloc_emergency_exception_buf(100)
