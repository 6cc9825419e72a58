"""What several steps share: from labelled patches to a map of a Sentinel-2 scene."""
