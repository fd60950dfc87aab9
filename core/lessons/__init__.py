"""Lessons: guided tours of the Lab, with checks, submissions of students, and grading."""

from core.lessons.parser import read_lesson, read_lessons
from core.lessons.schema import Action, Lesson, Part, Question
from core.lessons.tour import Tour

__all__ = ["Action", "Lesson", "Part", "Question", "Tour", "read_lesson", "read_lessons"]
