"""From a map in memory to files that people open."""
