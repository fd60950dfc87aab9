"""The parts of the findings page: which studies it has, and their figures, sentences and tables."""
