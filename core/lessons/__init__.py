"""Lessons: guided tours that drive the real Lab, what they check, what students hand in, and how that is graded."""

from core.lessons.parser import read_lesson, read_lessons
from core.lessons.schema import Action, Lesson, Part, Question
from core.lessons.tour import Tour

__all__ = ["Action", "Lesson", "Part", "Question", "Tour", "read_lesson", "read_lessons"]
