"""Rasters and vectors on disk: the only folder that knows GDAL."""
