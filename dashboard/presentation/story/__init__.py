"""The story at the top of the Lab, and the verdict that ends it."""
