#!/usr/bin/env python3
"""What clients see while parts of a cluster die: a real PostgreSQL, a real radosgw, a control server, three replicas behind haproxy.

python3 bench/cluster/outages.py --takt PATH [--folder FOLDER] [--clients 4] [--seconds 30]
Needs postgresql, radosgw & co. (see test.sh) and haproxy. Prints a line a phase: answers, failures, the slowest; at the end whether every answer is in the log that all servers share.
--loop does something else: there are two control servers; drift starts the pipeline, the server that runs it is killed in the midst, and the other one has to close the loop.
"""
import argparse, http.client, json, os, random, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.request

here = os.path.dirname(os.path.abspath(__file__))
services = os.path.join(here, "..", "..", "tests", "services")
parser = argparse.ArgumentParser()
parser.add_argument("--takt", required=True)
parser.add_argument("--folder", default=None)
parser.add_argument("--clients", type=int, default=4)
parser.add_argument("--seconds", type=float, default=30)
parser.add_argument("--loop", action="store_true")
options = parser.parse_args()
folder = options.folder or tempfile.mkdtemp(prefix="takt-outages-")
os.makedirs(folder, exist_ok=True)
os.chmod(folder, 0o755)
env = dict(os.environ, PGPASSWORD="takt-secret", DOTNET_CLI_TELEMETRY_OPTOUT="1")
started = []


def free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def script(name, *arguments):
    with open(os.path.join(folder, "script.out"), "w+") as out:
        subprocess.run([os.path.join(services, name), *arguments], stdout=out, stdin=subprocess.DEVNULL, check=True)
        out.seek(0)
        return out.read().strip()


def server(name, *arguments):
    log = open(os.path.join(folder, name + ".log"), "a")
    process = subprocess.Popen([options.takt, "serve", *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env, cwd=folder)
    started.append(process)
    return process


def get(port, path, timeout=20):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
        return answer.read().decode()


def until(what, ask, seconds=300):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if ask():
                return
        except Exception:
            pass
        time.sleep(0.3)
    raise SystemExit(f"{what}: not after {seconds} s")


class Load:
    """Clients that ask the balancer in a closed loop, each on a connection that is made anew when it breaks."""
    body = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [0.4]}, {"name": "z", "shape": [1], "datatype": "FP64", "data": [0.6]}]})

    def __init__(self, port):
        self.port, self.ok, self.failed, self.slowest, self.why, self.lock, self.on = port, 0, 0, 0.0, {}, threading.Lock(), True
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(options.clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        connection = None
        while self.on:
            began, why = time.time(), None
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                connection.request("POST", "/v2/models/trips/infer", self.body)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    why = f"HTTP {answer.status}"
            except Exception as e:
                why, connection = type(e).__name__, None
            with self.lock:
                self.slowest = max(self.slowest, time.time() - began)
                if why is None:
                    self.ok += 1
                else:
                    self.failed += 1
                    self.why[why] = self.why.get(why, 0) + 1
            time.sleep(0.01)

    def phase(self, name, seconds):
        with self.lock:
            ok, failed, self.slowest, self.why = self.ok, self.failed, 0.0, {}
        time.sleep(seconds)
        with self.lock:
            print(f"{name:<42} {seconds:5.0f} s  {self.ok - ok:6} answers  {self.failed - failed:3} failed {self.why or ''}  slowest {self.slowest * 1000:.0f} ms", flush=True)


def sql(text):
    address = re.match(r"postgres://(\w+)@([^:]+):(\d+)/(\w+)", database)
    return subprocess.run(["psql", "-h", address[2], "-p", address[3], "-U", address[1], "-d", address[4], "-Atc", text], env=env, capture_output=True, text=True, check=True).stdout.strip()


def rows(path, turned):
    """What the trips are like; turned: it depends on z by now, and x lies elsewhere."""
    with open(path, "w") as table:
        table.write("x,z,y\n")
        for _ in range(3000):
            x, z = random.random() + turned, random.random()
            table.write(f"{x:.4f},{z:.4f},{int((z if turned else x + 0.3 * z) + 0.1 * random.random() > 0.7)}\n")


def close_loop(project, ports, main):
    """The server that runs the pipeline for a drift is killed in the midst of it: the other one ends that run, begins anew, and rolls out the new model."""
    second, port = project + "-2", free()
    shutil.copytree(project, second, ignore=shutil.ignore_patterns(".takt", "out"))
    for place in (project, second):
        rows(os.path.join(place, "trips.csv"), turned=True)
        with open(os.path.join(place, "takt.yaml")) as file:
            text = file.read()
        with open(os.path.join(place, "takt.yaml"), "w") as file:
            file.write(text.replace("stages:\n", "stages:\n  long: { run: 'sleep 30; cp trips.csv long.csv', in: [trips.csv], out: [long.csv] }\n", 1))
    controls = {project: (main, ports[0], port), second: (server("control-2", "--roles", "control", "-C", second, "--port", str(port)), port, ports[0])}
    until("the second control", lambda: get(port, "/health"))
    now = time.time()
    print(f"two control servers; revision {sql('select live from takt.deployment')} in charge", flush=True)
    body = {"parameters": {"event_time": int((now - 86400) * 1000)}, "inputs": [{"name": name, "shape": [400], "datatype": "FP64", "data": [random.random() + shift for _ in range(400)]} for name, shift in (("x", 1), ("z", 0))]}
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{ports[1]}/v2/models/trips/infer", json.dumps(body).encode()), timeout=60).read()

    def step(what, ask, seconds=600):
        until(what, ask, seconds)
        print(f"{time.time() - now:6.0f} s  {what}", flush=True)

    step("drift was seen, a server runs the pipeline, its long stage has begun", lambda: sql("select 1 from takt.stage_run where stage = 'long' and state = 'Running'"))
    owner = sql("select owner from takt.lease where name like 'trigger/%'")
    ended = sql("select count(*) from takt.stage_run where state = 'Ran' and pipeline_run = (select pipeline_run from takt.stage_run where stage = 'long')")
    print(f"{time.time() - now:6.0f} s  of its other stages {ended} have ended", flush=True)
    dead = next(place for place in controls if f":{place}/" in owner)
    process, _, other = controls[dead]
    process.kill()
    for pid in subprocess.run(["pgrep", "-f", "sleep 30; cp trips.csv"], capture_output=True, text=True).stdout.split():
        os.kill(int(pid), signal.SIGKILL)  # the whole machine is gone
    shutil.rmtree(dead)
    print(f"{time.time() - now:6.0f} s  {os.path.basename(dead)}: kill -9, and its folder is gone", flush=True)
    first = sql("select pipeline_run from takt.stage_run where stage = 'long'")
    step("its run is ended as failed by the other one", lambda: sql(f"select 1 from takt.run where id = '{first}' and status = 'FAILED'"))
    print("          " + sql(f"select value from takt.run_tag where run = '{first}' and key = 'takt.reason'"), flush=True)
    step("the trigger is over", lambda: sql("select 1 from takt.trigger_event where state = 'done'"))
    outcome = sql("select outcome || ', deaths ' || deaths || ', run ' || (select status from takt.run where id = trigger_event.run) from takt.trigger_event")
    print("          " + outcome, flush=True)
    step("the new revision is in charge", lambda: sql("select live from takt.deployment") == "2")
    step("all replicas answer with it", lambda: all('"2"' in get(ports[n], "/v2/models/trips") for n in (1, 2, 3)))
    left = sql("select count(*) from takt.run where status = 'RUNNING'")
    print(f"runs left RUNNING: {left}; triggers {sql('select count(*) from takt.trigger_event')}", flush=True)
    get(other, "/health")
    return outcome == "succeeded, deaths 1, run FINISHED" and left == "0"


ceph = os.path.join(folder, "c")
try:
    database = script("postgresql/up.sh", os.path.join(folder, "pg"), str(os.getpid())) + "?search_path=takt"
    endpoint, access, secret = script("ceph/up.sh", ceph, str(os.getpid())).split()
    env.update(AWS_ACCESS_KEY_ID=access, AWS_SECRET_ACCESS_KEY=secret, TAKT__DATABASE=database, TAKT__BLOBS=f"s3://takt?endpoint={endpoint}")
    import hashlib, hmac, datetime

    def make_bucket():
        now = datetime.datetime.now(datetime.timezone.utc)
        day, stamp, host = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ"), endpoint.split("//")[-1]
        empty = hashlib.sha256(b"").hexdigest()
        canonical = f"PUT\n/takt\n\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{stamp}\n\nhost;x-amz-content-sha256;x-amz-date\n{empty}"
        scope = f"{day}/us-east-1/s3/aws4_request"
        key = b"AWS4" + secret.encode()
        for part in (day, "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}".encode(), hashlib.sha256).hexdigest()
        request = urllib.request.Request(f"http://{host}/takt", method="PUT", headers={"x-amz-date": stamp, "x-amz-content-sha256": empty, "Authorization": f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"})
        urllib.request.urlopen(request, timeout=60).read()

    make_bucket()
    print(f"PostgreSQL {database.split('@')[1]}, S3 {endpoint}", flush=True)

    project = os.path.join(folder, "control")
    os.makedirs(project)
    random.seed(1)
    rows(os.path.join(project, "trips.csv"), turned=False)
    for command in (["init", "--data", "trips.csv", "--target", "y"], ["run"]):
        subprocess.run([options.takt, *command], cwd=project, env=env, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    ports = [free() for _ in range(5)]
    control = lambda: server("control", "--roles", "control", "-C", project, "--port", str(ports[0]))
    replica = lambda n: server(f"replica-{n}", "--roles", "serving", "--data", os.path.join(folder, f"replica-{n}"), "--port", str(ports[n]))
    main = control()
    replicas = [replica(n) for n in (1, 2, 3)]
    for n in (1, 2, 3):
        until(f"replica {n} serves", lambda: get(ports[n], "/v2/models/trips/ready") and '"ready":true' in get(ports[n], "/v2/health/ready"))
    until("control", lambda: get(ports[0], "/health"))
    with open(os.path.join(folder, "haproxy.cfg"), "w") as config:
        config.write(f"""
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  option redispatch 1
  retries 2
frontend all
  bind 127.0.0.1:{ports[4]}
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk GET /v2/health/ready
  default-server check inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
""" + "".join(f"  server r{n} 127.0.0.1:{ports[n]}\n" for n in (1, 2, 3)))
    started.append(subprocess.Popen(["haproxy", "-db", "-f", os.path.join(folder, "haproxy.cfg")], stdout=open(os.path.join(folder, "haproxy.log"), "w"), stderr=subprocess.STDOUT))
    until("the balancer", lambda: get(ports[4], "/v2/health/ready"))
    load = Load(ports[4])
    load.phase("all is well", options.seconds / 3)
    if options.loop:
        closed = close_loop(project, ports, main)
        load.on = False
        print(f"requests meanwhile: {load.ok} answered, {load.failed} failed {load.why or ''}")
        sys.exit(0 if closed else 1)

    replicas[1].kill()
    load.phase("one of three replicas: kill -9", options.seconds / 2)
    replicas[1].wait()
    replicas[1] = replica(2)
    until("replica 2 again", lambda: '"ready":true' in get(ports[2], "/v2/health/ready"))
    print("  of the killed one: lost", [line for line in get(ports[2], "/metrics").splitlines() if line.startswith("takt_prediction_log_lost_total")], flush=True)
    load.phase("it is back", options.seconds / 3)

    main.kill()
    main.wait()
    load.phase("control: kill -9", options.seconds / 3)
    main = control()
    until("control again", lambda: get(ports[0], "/health"))

    script("postgresql/down.sh", os.path.join(folder, "pg"), "immediate")
    watcher = threading.Thread(target=load.phase, args=("PostgreSQL stopped", options.seconds))
    watcher.start()
    time.sleep(options.seconds * 0.7)
    health = json.loads(get(ports[1], "/v2/health"))
    print("  /v2/health meanwhile:", {k: health[k] for k in ("ready", "degraded", "database")}, {k: v for k, v in health["prediction_log"]["trips"].items() if k in ("unshared_segments", "unshared_bytes")}, flush=True)
    print("  metrics meanwhile:", [line for line in get(ports[1], "/metrics", 60).splitlines() if line.startswith("takt_dependency_up")], flush=True)
    watcher.join()
    script("postgresql/again.sh", os.path.join(folder, "pg"))
    until("the database is seen again", lambda: not json.loads(get(ports[1], "/v2/health"))["degraded"])
    load.phase("PostgreSQL is back", options.seconds / 3)

    gateways = [int(p) for p in subprocess.run(["pgrep", "-f", f"radosgw.*{folder}"], capture_output=True, text=True).stdout.split()]
    for pid in gateways:
        os.kill(pid, signal.SIGSTOP)
    load.phase(f"the S3 gateway hangs ({len(gateways)} process)", options.seconds)
    health = json.loads(get(ports[1], "/v2/health"))
    print("  /v2/health meanwhile:", {k: health[k] for k in ("ready", "degraded", "store")}, {k: v for k, v in health["prediction_log"]["trips"].items() if k in ("unshared_segments", "unshared_bytes")}, flush=True)
    for pid in gateways:
        os.kill(pid, signal.SIGCONT)
    load.phase("the S3 gateway goes on", options.seconds / 3)
    load.on = False
    for thread in load.threads:
        thread.join()

    def unshared():
        return sum(json.loads(get(ports[n], "/v2/health"))["prediction_log"]["trips"]["unshared_segments"] for n in (1, 2, 3))

    time.sleep(7)  # a journal is sealed after 5 s
    until("all segments are shared", lambda: unshared() == 0)
    lost = sum(json.loads(get(ports[n], "/v2/health"))["prediction_log"]["trips"]["lost"] for n in (1, 2, 3))
    segments = sql("select count(*), count(distinct server), sum(rows) from takt.prediction_segment where kind = 'predictions' and digest is not null").split("|")
    print(f"answers {load.ok}, failed {load.failed}; in the shared log {segments[2]} rows in {segments[0]} segments of {segments[1]} servers; told as lost {lost}")
    newest = json.loads(get(ports[0], "/api/v1/deployments/trips/predictions?limit=1000", 120))["predictions"]
    print(f"control reads the newest {len(newest)} of them")
    sys.exit(0 if int(segments[2]) + lost >= load.ok else 1)
finally:
    for process in started:
        if process.poll() is None:
            process.terminate()
    for process in started:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
    script("ceph/down.sh", ceph)
    script("postgresql/down.sh", os.path.join(folder, "pg"), "immediate")
