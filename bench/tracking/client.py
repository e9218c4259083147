#!/usr/bin/env python3
"""What a client in Python gets: http.client and json, the way MLflow's own client works, a thread for each connection.
   python3 bench/tracking/client.py URL [RIVAL_URL] [--runs 300] [--seconds 2] [--rounds 3]        (any server of MLflow's protocol; Python's library only)

Threads of one Python program take turns at its interpreter, so the client is a good part of what is measured. How good a part is measured too, in the same
rounds: a server that answers everything at once and writes nothing ("none"). "most" is that server's lead over the rival, and with one client the lead of one
that also makes a durable commit of raw SQLite for each call: no server of this protocol can come out higher. Medians of the rounds, phase by phase in turn."""
import argparse, http.client, json, os, random, signal, socket, statistics, threading, time
from urllib.parse import urlparse
from commits import raw_commits

args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
args.add_argument('url', nargs='+')
args.add_argument('--runs', type=int, default=300)
args.add_argument('--seconds', type=float, default=2)
args.add_argument('--rounds', type=int, default=3)
args = args.parse_args()
API = '/api/2.0/mlflow/'
RUN = '0' * 32


def answer_at_once():
    """A process for each connection, so that it is never the one that is waited for."""
    body = json.dumps({'experiment_id': '1', 'run': {'info': {'run_id': RUN}}}).encode()
    answer = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body)
    listening = socket.create_server(('127.0.0.1', 0), backlog=64)
    server = os.fork()
    if server: return server, f'http://127.0.0.1:{listening.getsockname()[1]}'
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listening.accept()
        if os.fork(): connection.close(); continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rest = b''
        while True:
            while b'\r\n\r\n' not in rest:
                data = connection.recv(1 << 16)
                if not data: os._exit(0)
                rest += data
            head, _, rest = rest.partition(b'\r\n\r\n')
            at = head.lower().find(b'content-length:')
            length = int(head[at + 15:].split(b'\r\n', 1)[0]) if at >= 0 else 0
            while len(rest) < length: rest += connection.recv(1 << 16)
            rest = rest[length:]
            connection.sendall(answer)


class Client:
    def __init__(self, url):
        at = urlparse(url)
        self.http = http.client.HTTPConnection(at.hostname, at.port, timeout=120)

    def call(self, method, path, body=None, type='application/json'):
        self.http.request(method, path, body, {'Content-Type': type})
        answer = self.http.getresponse()
        read = answer.read()
        if answer.status >= 300: raise SystemExit(f'{method} {path}: {answer.status} {read[:300]}')
        return read

    def post(self, path, body): return json.loads(self.call('POST', API + path, json.dumps(body)))


class Target:
    def __init__(self, url):
        self.url, self.n = url, 0
        client = Client(url)
        self.experiment = client.post('experiments/create', {'name': f'client-{time.time_ns()}'})['experiment_id']
        self.run = client.post('runs/create', {'experiment_id': self.experiment, 'start_time': 1})['run']['info']['run_id']

    def clients(self, many, work):
        threads = [threading.Thread(target=work, args=(Client(self.url), i)) for i in range(many)]
        start = time.perf_counter()
        for t in threads: t.start()
        for t in threads: t.join()
        return time.perf_counter() - start

    def rate(self, many, one):
        done, end = [0] * many, time.perf_counter() + args.seconds
        def work(client, i):
            while time.perf_counter() < end:
                one(client, i, self.n + done[i])
                done[i] += 1
        took = self.clients(many, work)
        self.n += max(done)
        return sum(done) / took

    def log_metric(self, many):
        return self.rate(many, lambda c, i, n: c.post('runs/log-metric', {'run_id': self.run, 'key': f'loss{i}', 'value': random.random(), 'timestamp': int(time.time() * 1000), 'step': n}))

    def artifacts(self):
        return self.rate(1, lambda c, i, n: c.call('PUT', f'/api/2.0/mlflow-artifacts/artifacts/{self.experiment}/{self.run}/artifacts/s/{n}.txt', b'x' * 1000, 'text/plain'))

    def runs(self):
        left = iter(range(args.runs))
        turn = threading.Lock()
        def work(client, _):
            while True:
                with turn: i = next(left, None)
                if i is None: return
                run = client.post('runs/create', {'experiment_id': self.experiment, 'start_time': int(time.time() * 1000), 'run_name': f'r{i}', 'tags': [{'key': 'grp', 'value': str(i % 7)}]})['run']['info']['run_id']
                client.post('runs/log-batch', {'run_id': run, 'params': [{'key': 'lr', 'value': '0.1'}, {'key': 'depth', 'value': str(i % 9)}, {'key': 'opt', 'value': 'adam'}],
                                               'metrics': [{'key': k, 'value': random.random(), 'timestamp': int(time.time() * 1000), 'step': 0} for k in ('acc', 'loss', 'f1')]})
        return args.runs / self.clients(4, work)


if __name__ == '__main__':
    server, at_once = answer_at_once()
    try:
        targets = [Target(at_once)] + [Target(u) for u in args.url]
        raw = []
        phases = (('log-metric, 1 client, /s', lambda t: t.log_metric(1), True), ('log-metric, 4 clients, /s', lambda t: t.log_metric(4), False),
                  ('create and log-batch, 4 clients, runs/s', Target.runs, False), ('artifacts of 1 kB, 1 client, /s', Target.artifacts, True))
        found = {}
        for _ in range(args.rounds):
            raw.append(raw_commits(args.seconds))
            for name, phase, _ in phases:
                for i, target in enumerate(targets): found.setdefault((name, i), []).append(phase(target))
        commits = statistics.median(raw)
        print(f'{"raw SQLite, durable single-row commits/s":44s}{commits:12,.0f}')
        print(f'{"":44s}' + ''.join(f'{n:>18s}' for n in ['none'] + [urlparse(u).netloc for u in args.url]))
        for name, _, alone in phases:
            values = [statistics.median(found[name, i]) for i in range(len(targets))]
            line = f'{name:44s}' + ''.join(f'{v:18,.0f}' for v in values)
            if len(args.url) > 1:
                line += f'   x{values[1] / values[2]:.1f}, most x{values[0] / values[2]:.1f}'
                if alone: line += f', with a commit x{1 / (1 / values[0] + 1 / commits) / values[2]:.1f}'
            print(line, flush=True)
    finally:
        os.killpg(server, signal.SIGTERM)
