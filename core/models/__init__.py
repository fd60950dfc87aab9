"""Networks as extractor and head, and the VAE over representations."""
