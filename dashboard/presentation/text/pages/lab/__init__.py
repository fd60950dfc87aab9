"""The English of the Lab's page, in a module for each of its parts."""
