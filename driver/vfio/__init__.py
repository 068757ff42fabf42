"""VFIO as user programs see it: containers, groups, devices, mediated devices."""
