"""GDAL as all of this folder uses it: what goes wrong is raised, and the cache has a bound."""

from osgeo import gdal, gdal_array, ogr, osr

__all__ = ["gdal", "gdal_array", "ogr", "osr"]

gdal.UseExceptions()
ogr.UseExceptions()
osr.UseExceptions()
if gdal.GetConfigOption("GDAL_CACHEMAX") is None:
    # two rows of tiles of all bands of a product take 350 MB; the default goes by the machine
    gdal.SetCacheMax(512 << 20)
