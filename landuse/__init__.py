"""From labelled patches to a map of a Sentinel-2 scene: what the scripts share, room by room."""
