"""The work behind one browser tab: preparation, the run and its fork, retrained models, and limits in a classroom."""
