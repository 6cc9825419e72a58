"""From a scene and labelled points or polygons to a folder of patches for each class."""
