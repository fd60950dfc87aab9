"""Reading of uploaded archives without torch, for the process that ``core.data.uploads.isolated_reader`` starts."""
