"""The errno tables of vfio.md 1 and 2, row by row: which tests stand for each."""

from types import FunctionType

import pytest

from tests.driver import (
    test_cdev,
    test_device_errors,
    test_iommufd,
    test_legacy,
    test_mdev,
    test_nested,
    test_type1_errors,
    test_uacce,
)

MAP, UNMAP, DIRTY = (test_type1_errors.MAP_ROWS, test_type1_errors.UNMAP_ROWS,
                     test_type1_errors.DIRTY_ROWS)
SET_IRQS, CREATE, UACCE = test_device_errors.SET_IRQS, test_mdev.CREATE, test_uacce.ROWS
IOAS_MAP, IOAS_UNMAP = test_cdev.MAP, test_cdev.UNMAP

# Row of the reference, the rows or functions that test it.
ROWS = [
    ("type1: misaligned, size 0, neither R nor W, outside the ranges, bad flags or argsz", MAP, [
        "misaligned iova", "misaligned vaddr", "misaligned size", "size 0", "neither R nor W",
        "outside the IOVA ranges", "unknown flag", "argsz too small"]),
    ("type1: overlapping map", MAP, ["overlap, same", "overlap, end", "overlap, around"]),
    ("type1: dma_avail exhausted", None, [test_type1_errors.test_dma_avail]),
    ("type1: wrap-around (map)", MAP, ["iova wraps around", "vaddr wraps around"]),
    ("type1: wrap-around (unmap)", UNMAP, ["wraps around"]),
    ("type1: v2 unmap that bisects a mapping", UNMAP, ["bisects, front", "bisects, back"]),
    ("type1: unmap of an empty range", UNMAP, ["empty range"]),
    ("type1: VADDR remap of the unknown", MAP, ["VADDR remap of the unknown"]),
    ("type1: unmap-VADDR with an mdev present", None,
     [test_type1_errors.test_unmap_vaddr_with_an_mdev_present]),
    ("type1: dirty ops on v1", None, [test_type1_errors.test_dirty_on_v1]),
    ("type1: wrong page size or tracking off", DIRTY, ["wrong page size", "bitmap"]),
    ("SET_IRQS bad index, range, flags or short data", SET_IRQS, [
        "bad index", "bad start", "bad count", "start and count overflow", "no data type",
        "two data types", "no action", "two actions", "unknown flag", "short eventfds",
        "short booleans"]),
    ("cdev use before BIND", None, [test_cdev.test_use_before_bind]),
    ("mdev: create takes 36 or 37 bytes", CREATE, ["short", "long", "36 bytes", "37 bytes"]),
    ("mdev: duplicate UUID", CREATE, ["duplicate", "duplicate, upper case"]),
    ("mdev: no instances left", None, [test_mdev.test_instances_run_out]),
    ("mdev: parent going away", None, [test_mdev.test_parent_going_away]),
    ("mdev: second remove (5.10)", None, [test_mdev.test_remove_while_open]),
    ("sdmdev: BIND_PASID of another's PASID", None,
     [test_legacy.test_bind_to_ones_own_pasid_only]),
    ("uacce: ioctl or mmap on a zombie", UACCE, [
        "ioctl on a zombie", "START on a zombie", "PUT on a zombie", "mmap on a zombie"]),
    ("uacce: second mmap", UACCE, ["second mmap", "second mmap, MMIO"]),
    ("uacce: START when not INIT", UACCE, ["START when not INIT"]),
    ("uacce: mremap", UACCE, ["mremap"]),
    ("iommufd: map overlap / misaligned / reserved / overflow", IOAS_MAP, [
        "overlap", "misaligned", "reserved", "overflow"]),
    ("iommufd: unmap splits an area", IOAS_UNMAP, ["splits", "splits the end"]),
    ("iommufd: accessor holds it", None, [test_iommufd.test_accessor_holds_it]),
    ("iommufd: PASID attach with a non-PASID hwpt, pasid 0, pasid >= max", test_iommufd.PASID_ROWS,
     ["PASID attach with a non-PASID hwpt", "PASID attach with pasid 0",
      "PASID attach with pasid = max"]),
    ("iommufd: PASID already attached", None, [test_iommufd.test_pasid_already_attached]),
    ("iommufd: bad vSTE", test_nested.BAD_STES, ["bad vSTE: stage 2"]),
    ("iommufd: unsupported invalidation", test_nested.BAD_COMMANDS,
     ["unsupported invalidation: CFGI_STE"])]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_row(row):
    """The tests that are named here exist."""
    _, table, names = row
    assert names
    for name in names:
        assert isinstance(name, FunctionType) if table is None else name in {r[0] for r in table}
