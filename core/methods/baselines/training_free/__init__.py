"""Methods that take no gradient step: they edit weights by statistics of the images."""
