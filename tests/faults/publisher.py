"""Publishes numbered messages at a rate, in a thread."""

from __future__ import annotations

import itertools
import threading
import time

from .reading import message


#: Bytes of a frame's head and of the quotes of its content.
FRAME = 4 + 2

#: Padding of the messages that only some get.
LONG = 8000


class Publisher:
    """One caller of the helper, who writes to a room until he is stopped."""

    def __init__(self, client, chan, rate, padding):
        self._client, self._chan = client, chan
        self._rate, self._padding = rate, padding
        #: Who gets a message of their own after each fifth of the room.
        self.also = []
        #: For each message of the room: when it was published, and how many bytes those
        #: clients had got with it.
        self.published = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping = True
        self._thread.join(5)

    def _run(self):
        begin, size = time.monotonic(), 0
        for number in itertools.count():
            # Late ones are made up for: the rate holds on the whole.
            time.sleep(max(0, begin + number / self._rate - time.monotonic()))
            if self._stopping:
                return
            text = message(0, number, self._padding)
            self._client.send_chan_message(0, self._chan, text)
            size += len(text) + FRAME
            self.published.append((time.monotonic(), size))
            if self.also and number % 5 == 0:
                text = message(1, number, LONG)
                self._client.send_message(0, self.also, text)
                size += len(text) + FRAME
