"""How right a map is: samples to label, references of all kinds, and the report."""
