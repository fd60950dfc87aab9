"""The English of each page, in a module or folder named after it."""
