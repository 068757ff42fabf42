"""The golden model of the accelerator: a queue manager v3 device and its engines."""

from pymodel.accel.accelerator import Accelerator

__all__ = ["Accelerator"]
