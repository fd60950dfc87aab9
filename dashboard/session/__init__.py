"""The state of one browser tab, its address, and what all tabs of the process share."""
