"""Posts on their way to the monitor: one at a time, in order, each with the same bytes until it is answered."""

from __future__ import annotations

import logging
import threading
from collections import deque

from modelloop_predictor.logs import event
from modelloop_predictor.telemetry.deltas import Post
from modelloop_predictor.telemetry.monitor import Monitor, Reply, Verdict

_MOST_POSTS = 16
_MOST_BYTES = 16 << 20
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


class Outbox:
    """At most 16 posts or 16 MB; while it is full nothing is cut, and counts go on adding up where they are counted.

    A post whose fate is unknown is never given up: its counts could not be added to others without the danger that they
    count twice. Only one that the monitor says is bad is dropped. `reference` is its digest and bytes.
    """

    def __init__(self, monitor: Monitor, reference: tuple[str, bytes] | None) -> None:
        self._monitor = monitor
        self._reference = reference
        self._posts: deque[Post] = deque()
        self._more = threading.Condition()
        self._closed = False
        self._lost = False
        self.outcomes = dict.fromkeys(Verdict, 0)
        self.refused_rows = 0

    @property
    def waiting(self) -> int:
        """How many posts are not answered yet."""
        return len(self._posts)

    @property
    def full(self) -> bool:
        """Whether there is no room for one more."""
        return len(self._posts) >= _MOST_POSTS or sum(len(post.body) for post in self._posts) >= _MOST_BYTES

    def put(self, post: Post) -> None:
        """Add a post behind the others."""
        with self._more:
            self._posts.append(post)
            self._more.notify_all()

    def run(self) -> None:
        """Post until `close`, then go on without pauses until the first failure."""
        pause = 0.0
        while self._wait_for_post(pause):
            reply = self._send(self._posts[0])
            pause = self._judge(reply, pause)
            if pause and self._closed:
                return

    def close(self) -> None:
        """Let `run` come to its end."""
        with self._more:
            self._closed = True
            self._more.notify_all()

    def _wait_for_post(self, pause: float) -> bool:
        with self._more:
            if pause:
                self._more.wait_for(lambda: self._closed, pause)
            self._more.wait_for(lambda: self._posts or self._closed)
            return bool(self._posts)

    def _send(self, post: Post) -> Reply:
        reply = self._monitor.post(post.body)
        if reply.verdict is not Verdict.WANTS_REFERENCE or self._reference is None:
            return reply
        given = self._monitor.put_reference(*self._reference)
        if given.verdict is not Verdict.TAKEN:
            return Reply(Verdict.AGAIN, f"wants the reference, but to that {given.message}")
        return self._monitor.post(post.body)

    def _judge(self, reply: Reply, pause: float) -> float:
        """How long to wait before the next try."""
        self.outcomes[reply.verdict] += 1
        if reply.verdict is Verdict.TAKEN:
            self._posts.popleft()
            self._tell(lost=False, message="")
            return 0.0
        if reply.verdict is Verdict.REFUSED:
            self.refused_rows += self._posts.popleft().rows
            event("monitor-refused", logging.ERROR, reason="PostRefused", message=reply.message)
            return 0.0
        self._tell(lost=True, message=reply.message)
        return min(pause * 2, _LONGEST_PAUSE_SECONDS) or _FIRST_PAUSE_SECONDS

    def _tell(self, *, lost: bool, message: str) -> None:
        if lost == self._lost:
            return
        self._lost = lost
        if lost:
            event("monitor-lost", logging.WARNING, reason="MonitorLost", message=message)
        else:
            event("monitor-back", reason="MonitorBack")
