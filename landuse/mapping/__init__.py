"""From a scene and a model to a map: planned, classified block by block, written."""
