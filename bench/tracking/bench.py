#!/usr/bin/env python3
"""Durable writes of a tracking server beside the limit of this machine: single-row SQLite commits (WAL, synchronous=FULL) in the same run.
   python3 bench/tracking/bench.py http://127.0.0.1:PORT [seconds]     (any server of MLflow's protocol; Python's library only)"""
import http.client, json, os, random, sqlite3, sys, tempfile, threading, time
from urllib.parse import urlparse

url = urlparse(sys.argv[1])
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3


class Client:
    def __init__(self):
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)

    def post(self, path, body):
        self.connection.request('POST', '/api/2.0/mlflow/' + path, json.dumps(body), {'Content-Type': 'application/json'})
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f'{path}: {answer.status} {data[:200]}')
        return json.loads(data)


def rate(clients, call):
    counts = [0] * clients
    end = time.perf_counter() + seconds

    def work(i):
        client = Client()
        while time.perf_counter() < end:
            call(client, i, counts[i])
            counts[i] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(clients)]
    start = time.perf_counter()
    for t in threads: t.start()
    for t in threads: t.join()
    return sum(counts) / (time.perf_counter() - start)


def sqlite_commits():
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as folder:
        db = sqlite3.connect(os.path.join(folder, 'raw.db'), isolation_level=None)
        db.execute('pragma journal_mode=wal')
        db.execute('pragma synchronous=full')
        db.execute('create table m(run text, key text, step integer, value real)')
        n, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            db.execute('insert into m values(?, ?, ?, ?)', ('r', 'loss', n, 0.5))
            n += 1
        done = n / (time.perf_counter() - start)
        db.close()
        return done


first = Client()
experiment = first.post('experiments/create', {'name': f'bench-{time.time_ns()}'})['experiment_id']
new = lambda client: client.post('runs/create', {'experiment_id': experiment, 'start_time': 1})['run']['info']['run_id']
run = new(first)
now = lambda: int(time.time() * 1000)
metric = lambda client, i, n: client.post('runs/log-metric', {'run_id': run, 'key': f'k{i}', 'value': random.random(), 'timestamp': now(), 'step': n})
batch = lambda client, i, n: client.post('runs/log-batch', {'run_id': run, 'metrics': [
    {'key': f'b{k % 10}', 'value': 0.5, 'timestamp': now(), 'step': n * 100 + k // 10} for k in range(1000)]})

raw = sqlite_commits()
print(f'{"raw SQLite, durable single-row commits/s":45s}{raw:12.0f}')
for name, value in (('log-metric/s, 1 client', rate(1, metric)), ('log-metric/s, 4 clients', rate(4, metric)),
                    ('run creations/s, 4 clients', rate(4, lambda c, i, n: new(c))), ('points/s, log-batch of 1000', 1000 * rate(1, batch))):
    print(f'{name:45s}{value:12.0f}   {value / raw:6.2f} of raw')
