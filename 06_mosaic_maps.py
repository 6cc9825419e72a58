"""Script 06, for many maps: join them to one, with one legend and one table of areas.

Where maps overlap, the most probable label is taken, and its probability. The maps are laid on one
grid by nearest neighbour, in their own reference system or, across UTM zones, in the one that you
choose. Each place counts once in the table. Never more than a block is in memory.

Reads    PATH_TO_MAPS: label maps of script 06, with the same classes; their probabilities beside
         them
Writes   PATH_TO_MOSAIC (and beside it .qml, .html, _areas.csv, _settings.json), and _probability in
         place of _label
Run      python 06_mosaic_maps.py --path-to-maps "maps/*_label.tif"

Across zones: --mosaic-crs EPSG:3035 (Europe, equal areas) or another one in metres. Stopped, it
begins anew; what was there before stays until the new mosaic is complete.
"""

from pathlib import Path

from landuse import command_line

# Paths
PATH_TO_MAPS: str | list[str] = "maps/*_label.tif"  # maps, a pattern, or a list (.txt)
PATH_TO_MOSAIC = "maps/mosaic_label.tif"  # class numbers

# Grid
MOSAIC_CRS: str | None = None  # reference system of the mosaic; None: the one of all maps
CELL: float | None = None  # side of a cell in its units; None: that of the finest map

# Further output
HTML = True  # a page to look at the mosaic in a browser
COLOURS: list[str] | None = None  # Vineyard=#7b3294: as in script 06
BLOCK_SIZE = 2048  # cells, side of the pieces that are in memory at once


def main() -> None:
    """Join the maps and write the mosaic."""
    from landuse import files
    from landuse.mapping import checks
    from landuse.mosaics import joined_maps, mosaic_files, mosaic_grids
    from landuse.outputs import class_colours
    from landuse.scenes import scene_lists

    checks.check_size("BLOCK_SIZE", BLOCK_SIZE)
    if CELL is not None and CELL <= 0:
        raise ValueError(f"CELL must be above 0, not {CELL:g}")
    target = Path(PATH_TO_MOSAIC)
    paths = [Path(name) for name in scene_lists.expand(PATH_TO_MAPS, "PATH_TO_MAPS")]
    paths = [path for path in paths if path.resolve() != target.resolve()]
    maps = joined_maps.open_maps(joined_maps.check_paths(paths))
    class_colours.chosen_colours(COLOURS, maps[0].class_names)  # an error before any work
    mosaic_files.check_target(target, maps)
    grid = mosaic_grids.choose(maps, MOSAIC_CRS, CELL)
    print(f"{len(maps)} maps; mosaic of {grid.shape[0]:,}x{grid.shape[1]:,} cells")
    with files.lock(target, "writing the mosaic"):
        written = mosaic_files.write_mosaic(
            target,
            maps,
            grid,
            command_line.constants(globals()),
            block_size=BLOCK_SIZE,
            html=HTML,
            colours=COLOURS,
        )
    print(f"mosaic: {target}")
    for what, path in written.items():
        print(f"  {what}: {path}")


if __name__ == "__main__":
    command_line.run(main, globals())
