"""Forms that choose what to forget: images, lists, clients, and the next request."""
