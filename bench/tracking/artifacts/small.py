#!/usr/bin/env python3
"""Artifacts of 1 kB, sent one after another over one connection: small.py ARTIFACTS_URL COPY_URL, each a folder that files are PUT into. Prints the medians of five rounds in turn."""
import socket, statistics, sys, time
from urllib.parse import urlparse

SECONDS, ROUNDS, BODY = 1, 5, b'x' * 1000


def rate(folder, turn):
    at = urlparse(folder)
    connection = socket.create_connection((at.hostname, at.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        body = b'%d %d ' % (turn, n) + BODY  # new content each time, so that nothing is known already
        connection.sendall(f'PUT {at.path}/s{turn}-{n}.txt HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length: {len(body)}\r\n\r\n'.encode() + body)
        answer = connection.recv(1 << 16)
        while b'\r\n\r\n' not in answer or (b'content-length: 2' in answer.lower() and not answer.endswith(b'{}')): answer += connection.recv(1 << 16)
        if b' 200' not in answer[:16]: raise SystemExit(f'PUT {at.path}: {answer[:200]}')
        n += 1
    return n / (time.perf_counter() - start)


rates = [[rate(folder, turn) for folder in sys.argv[1:3]] for turn in range(ROUNDS)]
takt, copy = (statistics.median(column) for column in zip(*rates))
print(f'PUT 1 kB: takt {takt:,.0f}/s, plain Kestrel that syncs the file alone {copy:,.0f}/s, ratio {takt / copy:.2f}')
