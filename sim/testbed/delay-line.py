#!/usr/bin/env python3
"""Adds latency to one link where the kernel has no netem: two TAP devices in two network namespaces, and every frame waits in between.

usage: delay-line.py MILLISECONDS NAMESPACE DEVICE NAMESPACE DEVICE

Prints "ready" once both devices are there; they vanish with this process. One way takes MILLISECONDS. Frames keep their order,
none is lost or made. It knows no rate: the queues of the devices (tc tbf) have shaped the frames before they come here.
"""
import ctypes
import fcntl
import os
import select
import signal
import struct
import sys
import time
from collections import deque

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
CLONE_NEWNET = 0x40000000
FRAME_BYTES_MAX = 65536
# A full queue of either tbf fits many times over; beyond this the link would not be slow but broken.
FRAMES_MAX = 100_000


def open_tap(namespace, device):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}") as place:
        if libc.setns(place.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns", namespace)
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def take(tap, waiting, delay):
    """Everything that has arrived at a device goes into its queue, due one delay later."""
    while len(waiting) < FRAMES_MAX:
        try:
            frame = os.read(tap, FRAME_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:  # the device is down: there is nothing to read
            return
        waiting.append((time.monotonic() + delay, frame))


def give(tap, waiting):
    """What is due leaves; the time until the next is due, or None."""
    while waiting:
        left = waiting[0][0] - time.monotonic()
        if left > 0:
            return left
        try:
            os.write(tap, waiting.popleft()[1])
        except OSError:  # the device is down: the frame is lost, as on a dead line
            pass
    return None


def main():
    delay = float(sys.argv[1]) / 1000
    taps = [open_tap(sys.argv[2], sys.argv[3]), open_tap(sys.argv[4], sys.argv[5])]
    queues = [deque(), deque()]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    print("ready", flush=True)
    while True:
        lefts = [give(taps[1], queues[0]), give(taps[0], queues[1])]
        due = [left for left in lefts if left is not None]
        readable, _, _ = select.select(taps, [], [], min(due) if due else None)
        for index, tap in enumerate(taps):
            if tap in readable:
                take(tap, queues[index], delay)


main()
