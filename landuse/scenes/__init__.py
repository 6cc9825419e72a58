"""From a path to windows of pixels: what is there, opened, checked."""
