"""The panels of the page Lessons: its overview, a lesson beside the Lab, and the editor."""
