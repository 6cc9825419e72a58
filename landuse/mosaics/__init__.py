"""Many maps to one."""
