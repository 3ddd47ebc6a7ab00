#!/usr/bin/env python3
"""A wire between two interfaces that loses packets and delivers others late.

    bad_wire.py ONE OTHER LOSS DELAY_MS SEED

It reads whole packets on either side and sends them out on the other: what the kernel's netem does, where it is not.
PACKET_VNET_HDR keeps what the kernel left undone of a packet (check sum, segmenting) undone on its way through.
"""

import heapq
import random
import select
import socket
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, ETH_P_ALL, PACKET_OUTGOING = 263, 15, 3, 4
VNET_HEADER_BYTES, PACKET_BYTES_MAX = 10, 70000


def tap(name):
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    made.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    made.bind((name, ETH_P_ALL))
    made.setblocking(False)
    return made


def main():
    one, other = tap(sys.argv[1]), tap(sys.argv[2])
    loss, delay, chance = float(sys.argv[3]), float(sys.argv[4]) / 1000, random.Random(int(sys.argv[5]))
    way = {one: other, other: one}
    late, count = [], 0
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        for source in select.select([one, other], [], [], wait)[0]:
            packet, address = source.recvfrom(PACKET_BYTES_MAX + VNET_HEADER_BYTES)
            if address[2] == PACKET_OUTGOING or chance.random() < loss:
                continue
            count += 1
            heapq.heappush(late, (time.monotonic() + delay * (0.5 + chance.random()), count, way[source], packet))
        while late and late[0][0] <= time.monotonic():
            _, _, sink, packet = heapq.heappop(late)
            try:
                sink.send(packet)
            except OSError:
                pass  # as a full queue: lost


if __name__ == "__main__":
    main()
