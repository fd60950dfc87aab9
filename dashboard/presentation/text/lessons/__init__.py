"""Words of lessons: checks in English, and parts of a lesson as HTML."""
