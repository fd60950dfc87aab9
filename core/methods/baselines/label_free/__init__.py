"""Methods that take gradient steps and read no label."""
