#!/usr/bin/env python3
"""Takt's data store beside restic, git-lfs and cp + sha256sum, in one run on one machine. Prints seconds on the clock and of CPU
(which other work on the machine, and its disk, do not change much), and ratios: medians of some rounds, each on stores of their own,
who begins changing from round to round. git-lfs takes part in the first round only.

    bench/data/run.py [--size MiB] [--rounds N] [--takt PATH] [--folder FOLDER]      defaults: 2048 MiB, 3, ./takt's build

Both Takt and restic sync what they store before they answer, and neither what it checks out; git add syncs nothing of an LFS object.
"""
import argparse, os, random, shutil, statistics, subprocess, sys, tempfile, time, resource

here = os.path.dirname(os.path.abspath(__file__))
args = argparse.ArgumentParser()
args.add_argument("--size", type=int, default=2048)
args.add_argument("--rounds", type=int, default=3)
args.add_argument("--takt", default=os.path.join(here, "../../artifacts/takt/takt"))
args.add_argument("--folder", default=None)
args.add_argument("--first", type=int, default=0, help="who begins in the first round")
args.add_argument("--no-lfs", action="store_true", help="without git-lfs")
args.add_argument("--million", action="store_true", help="also: memory while adding 1,000,000 files of 100 bytes")
args = args.parse_args()
takt = os.path.abspath(args.takt)
tops = tempfile.mkdtemp(prefix="takt-bench-", dir=args.folder)
env = dict(os.environ, RESTIC_PASSWORD="x", GIT_AUTHOR_NAME="b", GIT_AUTHOR_EMAIL="b@b", GIT_COMMITTER_NAME="b", GIT_COMMITTER_EMAIL="b@b")
results, stored = {}, {}


def run(who, what, command, folder, quiet=True):
    os.sync() # what others left to be written is not part of it
    begin = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=env, shell=isinstance(command, str), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode != 0:
        sys.exit(f"{who} {what}: exit {done.returncode}\n{done.stdout}")
    times, cpus = results.setdefault(what, ({}, {}))
    times.setdefault(who, []).append(seconds)
    cpus.setdefault(who, []).append(cpu)
    print(f"{what}: {who} {seconds:.2f} s, {cpu:.2f} s of CPU", file=sys.stderr, flush=True)
    return done.stdout


def size(folder):
    return sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)


def write(path, count, seed):
    with open(path, "wb") as file:
        generator = random.Random(seed)
        for _ in range(count):
            file.write(generator.randbytes(1 << 20))


def round_of(number):
    top = os.path.join(tops, str(number))
    mine, lfs, floor, source = (os.path.join(top, name) for name in ("takt", "lfs", "floor", "source"))
    with_lfs = number == 0 and not args.no_lfs
    for folder in (mine, lfs, floor, source):
        os.makedirs(folder)
    for path in ("big", "small"):
        shutil.copytree(f"{original}/{path}", f"{source}/{path}")
        shutil.copytree(f"{original}/{path}", f"{mine}/{path}")
        if with_lfs:
            shutil.copytree(f"{original}/{path}", f"{lfs}/{path}")
    if with_lfs:
        subprocess.run("git init -q . && git lfs install --local --skip-repo", cwd=lfs, shell=True, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["git", "lfs", "track", "**/*.bin", "*.bin"], cwd=lfs, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["git", "init", "-q", "."], cwd=mine, check=True)
    subprocess.run([takt, "data", "list"], cwd=mine, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    repo = os.path.join(top, "restic")
    env["RESTIC_CACHE_DIR"] = os.path.join(top, "cache")
    subprocess.run(["restic", "init", "-q", "-r", repo], env=env, check=True, stdout=subprocess.DEVNULL)

    def each(what, **commands):
        order = list(commands.items())
        first = (number + args.first) % len(order)
        for who, (command, folder) in order[first:] + order[:first]:
            who = {"lfs": "git-lfs", "floor": "cp+sha256sum"}.get(who, who)
            if who != "git-lfs" or with_lfs:
                run(who, what, command, folder)

    for what, path in (("add 1 large file", "big"), ("add 20,000 x 10 KiB", "small")):
        each(what, takt=([takt, "data", "add", path], mine), restic=(["restic", "-q", "-r", repo, "backup", path], source),
            floor=(f"cp -r {source}/{path} . && sync && find {path} -type f -print0 | xargs -0 sha256sum > {path}.sum", floor), lfs=(["git", "add", path], lfs))

    # a new version: 0.5 % inserted in the middle, 0.5 % overwritten elsewhere
    part = args.size * (1 << 20) // 200
    generator = random.Random(3)
    with open(source + "/big/a.bin", "rb") as file, open(source + "/big/b", "wb") as new:
        left = args.size * (1 << 20) // 2
        while left:
            block = file.read(min(left, 1 << 22)); new.write(block); left -= len(block)
        new.write(generator.randbytes(part))
        shutil.copyfileobj(file, new, 1 << 22)
        new.seek(args.size * (1 << 20) // 5); new.write(generator.randbytes(part))
    os.replace(source + "/big/b", source + "/big/a.bin")
    for folder in (mine, lfs):
        if folder == mine or with_lfs:
            shutil.copy(source + "/big/a.bin", folder + "/big/a.bin")
    places = {"takt": mine + "/.takt/store", "restic": repo} | ({"git-lfs": lfs + "/.git"} if with_lfs else {})
    before = {who: size(folder) for who, folder in places.items()}
    each("new version, 1 % changed", takt=([takt, "data", "add", "big"], mine), restic=(["restic", "-q", "-r", repo, "backup", "big"], source), lfs=(["git", "add", "big"], lfs))
    for who, folder in places.items():
        stored.setdefault(who, size(folder) - before[who])

    # moved away, not removed: ext4 looks for long for an inode that has not been free only for seconds
    for folder in (mine, lfs):
        if folder == mine or with_lfs:
            os.makedirs(folder + "-old")
            for path in ("big", "small"):
                os.rename(f"{folder}/{path}", f"{folder}-old/{path}")
    if with_lfs:
        subprocess.run(["git", "commit", "-qm", "x"], cwd=lfs, env=env, check=True)
    os.makedirs(top + "/restored")
    each("checkout of all", takt=([takt, "data", "checkout"], mine), lfs=(["git", "checkout", "-q", "."], lfs),
        restic=(f"restic -q -r {repo} restore latest --path {source}/big --target {top}/restored && restic -q -r {repo} restore latest --path {source}/small --target {top}/restored", top))
    for path in ("big", "small"):
        subprocess.run(["diff", "-rq", f"{source}/{path}", f"{mine}/{path}"], check=True)
        subprocess.run(["diff", "-rq", f"{source}/{path}", f"{top}/restored/{path}"], check=True)
    subprocess.run([takt, "data", "status"], cwd=mine, env=env, check=True, stdout=subprocess.DEVNULL)
    for _ in range(3):
        each("status, nothing changed", takt=([takt, "data", "status"], mine), restic=(["restic", "-q", "-r", repo, "backup", "-n", "small"], source), lfs=(["git", "status", "--porcelain"], lfs))
    shutil.rmtree(top) # else the files of earlier rounds push those of this one out of memory


try:
    original = os.path.join(tops, "original")
    os.makedirs(original + "/big")
    write(original + "/big/a.bin", args.size, 1)
    generator = random.Random(2)
    for i in range(20_000):
        folder = f"{original}/small/{i % 200:03d}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/{i}.bin", "wb") as file:
            file.write(generator.randbytes(10 << 10))
    for number in range(args.rounds):
        round_of(number)

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}, {args.size} MiB, medians of {args.rounds} rounds")
    for title, part in (("seconds", 0), ("seconds of CPU", 1)):
        print(f"{title:28}{'takt':>8}{'restic':>9}{'git-lfs':>9}{'cp+sum':>9}   restic/takt  git-lfs/takt")
        for what, both in results.items():
            times = {who: statistics.median(all) for who, all in both[part].items()}
            def cell(who, width): return f"{times[who]:{width}.2f}" if who in times else " " * (width - 1) + "-"
            ratio = lambda who: f"{times[who] / max(times['takt'], 0.001):.1f}x" if who in times else "-"
            print(f"{what:28}{cell('takt', 8)}{cell('restic', 9)}{cell('git-lfs', 9)}{cell('cp+sha256sum', 9)}   {ratio('restic'):>11}  {ratio('git-lfs'):>12}")
    whole = args.size * (1 << 20) * 1.005
    print("stored for the new version: " + ", ".join(f"{who} {bytes / (1 << 20):.1f} MiB ({bytes / whole:.2%})" for who, bytes in stored.items()))

    if args.million:
        many = os.path.join(tops, "many")
        os.makedirs(many + "/data")
        for i in range(1_000_000):
            if i % 1000 == 0:
                os.makedirs(f"{many}/data/{i // 1000:04d}")
            with open(f"{many}/data/{i // 1000:04d}/{i}", "wb") as file:
                file.write(i.to_bytes(8, "little") + bytes(92))
        begin = time.perf_counter()
        child = subprocess.Popen([takt, "data", "add", "data"], cwd=many, env=env, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        print(f"1,000,000 files of 100 bytes: {time.perf_counter() - begin:.1f} s, at most {usage.ru_maxrss / 1024:.0f} MiB of memory, exit {os.waitstatus_to_exitcode(status)}")
finally:
    shutil.rmtree(tops, ignore_errors=True)
