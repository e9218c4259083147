#!/usr/bin/env python3
"""A tracking server beside the limits of this machine and, when its address is given, beside a rival, all in the same run, phase by phase in turn.
   python3 bench/tracking/bench.py URL [RIVAL_URL] [--runs 2000] [--seconds 3]        (any server of MLflow's protocol; Python's library only)

Limits: raw SQLite, one durable row a commit (WAL, synchronous=FULL), and GET /health of the same server, which is Kestrel and nothing else.
The client is a process for each connection and a plain socket, so that it is not what is measured (http.client alone takes 100 us a call)."""
import argparse, json, multiprocessing, random, socket, statistics, time
from urllib.parse import urlparse
from commits import raw_commits

args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
args.add_argument('url', nargs='+')
args.add_argument('--runs', type=int, default=2000)
args.add_argument('--seconds', type=float, default=3)
args = args.parse_args()
API = '/api/2.0/mlflow/'


class Client:
    def __init__(self, url):
        self.at = urlparse(url)
        self.socket = socket.create_connection((self.at.hostname, self.at.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b''

    def call(self, method, path, body=b''):
        head = f'{method} {path} HTTP/1.1\r\nHost: {self.at.netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n'
        self.socket.sendall(head.encode() + body)
        while b'\r\n\r\n' not in self.rest: self.more()
        head, _, self.rest = self.rest.partition(b'\r\n\r\n')
        lines = head.lower().split(b'\r\n')
        length = next((int(l[15:]) for l in lines if l.startswith(b'content-length:')), None)
        if length is None: answer = self.chunks()
        else:
            while len(self.rest) < length: self.more()
            answer, self.rest = self.rest[:length], self.rest[length:]
        if b' 200' not in lines[0]: raise SystemExit(f'{method} {path}: {lines[0]} {answer[:300]}')
        return answer

    def chunks(self):
        parts = []
        while True:
            while b'\r\n' not in self.rest: self.more()
            size, _, self.rest = self.rest.partition(b'\r\n')
            size = int(size, 16)
            while len(self.rest) < size + 2: self.more()
            parts.append(self.rest[:size])
            self.rest = self.rest[size + 2:]
            if size == 0: return b''.join(parts)

    def more(self):
        data = self.socket.recv(1 << 20)
        if not data: raise SystemExit('the server closed the connection')
        self.rest += data

    def post(self, path, body): return json.loads(self.call('POST', API + path, json.dumps(body).encode()) or b'{}')


def worker(url, kind, i, context, end, out):
    client, n = Client(url), 0
    while time.time() < end:
        one(client, kind, i, n, context)
        n += 1
    out.put(n)


def one(client, kind, i, n, context):
    if kind == 'health': client.call('GET', '/health')
    elif kind == 'get': client.call('GET', f"{API}runs/get?run_id={context['run']}")
    elif kind == 'metric':
        client.call('POST', API + 'runs/log-metric', b'{"run_id":"%s","key":"k%d","value":%f,"timestamp":%d,"step":%d}' % (context['run'].encode(), i, random.random(), time.time() * 1000, n))
    elif kind == 'batch':
        now = int(time.time() * 1000)
        client.call('POST', API + 'runs/log-batch', (b'{"run_id":"%s","metrics":[' % context['run'].encode())
                    + b','.join(b'{"key":"b%d","value":0.5,"timestamp":%d,"step":%d}' % (k % 10, now, n * 100 + k // 10) for k in range(1000)) + b']}')
    elif kind == 'create':
        client.call('POST', API + 'runs/create', b'{"experiment_id":"%s","start_time":%d,"run_name":"r%d","tags":[{"key":"g","value":"1"}]}' % (context['spare'].encode(), time.time() * 1000, n))


def rate(url, kind, clients, context):
    out, end = multiprocessing.Queue(), time.time() + args.seconds + 0.3
    all = [multiprocessing.Process(target=worker, args=(url, kind, i, context, end, out)) for i in range(clients)]
    start = time.time()
    for p in all: p.start()
    done = sum(out.get() for _ in all)
    for p in all: p.join()
    return done / (time.time() - start)


def fill(url, experiment):
    client = Client(url)
    for i in range(args.runs):
        run = client.post('runs/create', {'experiment_id': experiment, 'start_time': i, 'run_name': f'r{i}', 'tags': [{'key': 'grp', 'value': str(i % 7)}]})['run']['info']['run_id']
        client.post('runs/log-batch', {'run_id': run, 'params': [{'key': 'lr', 'value': str(10 ** -(i % 5))}, {'key': 'opt', 'value': 'adam'}],
                                       'metrics': [{'key': k, 'value': random.random(), 'timestamp': 1, 'step': 0} for k in ('acc', 'loss', 'f1')]})


def took(call, times=9):
    call()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent) * 1000


def search(client, context, **more): return client.call('POST', API + 'runs/search', json.dumps({'experiment_ids': [context['experiment']], **more}).encode())


def pages(client, context):
    token = {}
    while True:
        answer = search(client, context, max_results=1000, **token)
        at = answer.rfind(b'"next_page_token"', -400)
        if at < 0: return
        token = {'page_token': json.loads(b'{' + answer[at:answer.rfind(b'}')] + b'}')['next_page_token']}


def history(client, context):
    token, points = '', 0
    start = time.perf_counter()
    while True:
        answer = client.call('GET', f"{API}metrics/get-history?run_id={context['run']}&metric_key=b0&max_results=25000{token}")
        points += answer.count(b'"step"')
        at = answer.find(b'"next_page_token"', len(answer) - 300 if len(answer) > 300 else 0)
        if at < 0: return points / (time.perf_counter() - start)
        from urllib.parse import quote
        token = '&page_token=' + quote(json.loads(b'{' + answer[at:answer.rfind(b'}')] + b'}')['next_page_token'], safe='')


def line(name, values, faster_is_more, note=''):
    text = f'{name:52s}' + ''.join(f'{v:14,.1f}' for v in values)
    if len(values) > 1: text += f'   x{values[0] / values[1] if faster_is_more else values[1] / values[0]:.1f}'
    print(text + note, flush=True)


if __name__ == '__main__':
    multiprocessing.set_start_method('fork')
    raw = raw_commits(args.seconds)
    print(f'{"raw SQLite, durable single-row commits/s":52s}{raw:14,.1f}')
    contexts = []
    for url in args.url:
        client = Client(url)
        made = lambda name: client.post('experiments/create', {'name': f'{name}-{time.time_ns()}'})['experiment_id']
        context = {'experiment': made('bench'), 'spare': made('spare')}
        context['run'] = client.post('runs/create', {'experiment_id': context['experiment'], 'start_time': 1})['run']['info']['run_id']
        contexts.append(context)
    print(f'{"":52s}' + ''.join(f'{urlparse(u).netloc:>14s}' for u in args.url))
    for name, kind, clients, scale in (('GET /health, 1 client, /s (Kestrel\'s limit)', 'health', 1, 1), ('GET /health, 4 clients, /s', 'health', 4, 1), ('log-metric, 1 client, /s', 'metric', 1, 1),
                                       ('log-metric, 4 clients, /s', 'metric', 4, 1), ('log-metric, 32 clients, /s', 'metric', 32, 1), ('points by log-batch of 1,000, /s', 'batch', 1, 1000),
                                       ('run creations, 4 clients, /s', 'create', 4, 1), ('runs/get, 1 client, /s', 'get', 1, 1)):
        values = [scale * rate(u, kind, clients, c) for u, c in zip(args.url, contexts)]
        line(name, values, True, f'   {values[0] / raw:.2f} of raw commits' if kind in ('metric', 'create') else '')
    line('history, points/s', [history(Client(u), c) for u, c in zip(args.url, contexts)], True)
    for u, c in zip(args.url, contexts): fill(u, c['experiment'])
    clients = [Client(u) for u in args.url]
    for name, more in (('search the newest 100, ms', {'max_results': 100}),
                       ('search metric and param, ordered by metric, 100, ms', {'max_results': 100, 'filter': "metrics.acc > 0.9 and params.lr = '0.1'", 'order_by': ['metrics.acc DESC']}),
                       ('search tag and name, 100, ms', {'max_results': 100, 'filter': "tags.grp = '3' and attributes.run_name LIKE 'r1%'"})):
        line(name, [took(lambda: search(k, c, **more)) for k, c in zip(clients, contexts)], False)
    line(f'all {args.runs:,} runs, 1,000 a page, ms', [took(lambda: pages(k, c), 3) for k, c in zip(clients, contexts)], False)
