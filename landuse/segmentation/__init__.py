"""A class for every pixel: labelled scenes, tiles drawn from them, and how right the maps are."""
