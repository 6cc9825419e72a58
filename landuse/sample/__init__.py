"""The built-in sample: a made landscape, as patches and as a scene."""
