"""Model the communication of distributed training and find the interconnect bottleneck."""

from __future__ import annotations

from netmodel._version import __version__

__all__ = ["__version__"]
