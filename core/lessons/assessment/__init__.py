"""Students' work in lessons: progress, submissions and their grades."""
