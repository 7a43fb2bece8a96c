"""How much memory does each learner take?"""

import statistics
from dataclasses import dataclass

import psutil

MB = 1e6


@dataclass(frozen=True)
class Memory:
    """Megabytes (10^6 bytes) of the median learner.

    Attributes
    ----------
    server: the Jupyter server's share (PSS): a page that n processes share counts 1/n in each.
    kernel: the kernel's share (PSS).
    own: what is the kernel's alone (USS).
    resident: what the kernel has in memory (RSS), shared pages in full.
    """

    server: float
    kernel: float
    own: float
    resident: float


def of_learners(hub: psutil.Process) -> Memory:
    """What do the processes that descend from the hub take at this moment?"""
    family = hub.children(recursive=True)
    kernels = [one for one in family if "ipykernel_launcher" in one.cmdline()]
    servers = [one for one in family if "jupyterhub.singleuser" in one.cmdline()]
    of_kernels = [one.memory_full_info() for one in kernels]
    return Memory(
        server=statistics.median(one.memory_full_info().pss for one in servers) / MB,
        kernel=statistics.median(one.pss for one in of_kernels) / MB,
        own=statistics.median(one.uss for one in of_kernels) / MB,
        resident=statistics.median(one.rss for one in of_kernels) / MB,
    )
