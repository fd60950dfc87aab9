"""The sections of the page Guide, and the search in them."""
