"""How a site is doing, in numbers."""

from dataclasses import dataclass

__all__ = ["SiteStatus"]


@dataclass(frozen=True)
class SiteStatus:
    """Blocks are the batch jobs that hold nodes; each runs workers once it has started.

    Attributes:
        pending: Blocks that wait in the queue.
        running: Blocks that run.
        workers: Worker processes that have connected.
    """

    pending: int = 0
    running: int = 0
    workers: int = 0

    def __str__(self) -> str:
        plural = "" if self.workers == 1 else "s"
        return f"blocks {self.pending} pending {self.running} running, {self.workers} worker{plural}"
