"""What changed between two maps: where, from which class to which, and how far that is noise."""
