#!/usr/bin/env python3
"""Takt's data store beside restic, git-lfs and cp + sha256sum, in one run on one machine. Prints seconds on the clock and of CPU
(which other work on the machine, and its disk, do not change much), and ratios.

    bench/data/run.py [--size MiB] [--takt PATH] [--folder FOLDER]      defaults: 2048 MiB, ./takt's build
"""
import argparse, os, random, shutil, subprocess, sys, tempfile, time, resource

here = os.path.dirname(os.path.abspath(__file__))
args = argparse.ArgumentParser()
args.add_argument("--size", type=int, default=2048)
args.add_argument("--takt", default=os.path.join(here, "../../artifacts/takt/takt"))
args.add_argument("--folder", default=None)
args.add_argument("--million", action="store_true", help="also: memory while adding 1,000,000 files of 100 bytes")
args = args.parse_args()
takt = os.path.abspath(args.takt)
top = tempfile.mkdtemp(prefix="takt-bench-", dir=args.folder)
env = dict(os.environ, RESTIC_PASSWORD="x", RESTIC_CACHE_DIR=os.path.join(top, "cache"), GIT_AUTHOR_NAME="b", GIT_AUTHOR_EMAIL="b@b", GIT_COMMITTER_NAME="b", GIT_COMMITTER_EMAIL="b@b")
results = {}


def run(who, what, command, folder, quiet=True):
    os.sync()
    begin = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=env, shell=isinstance(command, str), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode != 0:
        sys.exit(f"{who} {what}: exit {done.returncode}\n{done.stdout}")
    times, cpus = results.setdefault(what, ({}, {}))
    times[who], cpus[who] = min(seconds, times.get(who, seconds)), min(cpu, cpus.get(who, cpu))
    return done.stdout


def size(folder):
    return sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)


def write(path, count, seed):
    with open(path, "wb") as file:
        generator = random.Random(seed)
        for _ in range(count):
            file.write(generator.randbytes(1 << 20))


try:
    mine, lfs, floor = (os.path.join(top, name) for name in ("takt", "lfs", "floor"))
    for folder in (mine, lfs, floor):
        os.makedirs(folder)
    source = os.path.join(top, "source")
    os.makedirs(source + "/big"); os.makedirs(source + "/small")
    write(source + "/big/a.bin", args.size, 1)
    generator = random.Random(2)
    for i in range(20_000):
        folder = f"{source}/small/{i % 200:03d}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/{i}.bin", "wb") as file:
            file.write(generator.randbytes(10 << 10))
    for folder in (mine, lfs):
        shutil.copytree(source, folder, dirs_exist_ok=True)
    subprocess.run("git init -q . && git lfs install --local --skip-repo", cwd=lfs, shell=True, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["git", "lfs", "track", "**/*.bin", "*.bin"], cwd=lfs, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["git", "init", "-q", "."], cwd=mine, check=True)
    subprocess.run([takt, "data", "list"], cwd=mine, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    repo = os.path.join(top, "restic")
    subprocess.run(["restic", "init", "-q", "-r", repo], env=env, check=True, stdout=subprocess.DEVNULL)

    for what, path in (("add 1 large file", "big"), ("add 20,000 x 10 KiB", "small")):
        run("takt", what, [takt, "data", "add", path], mine)
        run("restic", what, ["restic", "-q", "-r", repo, "backup", path], source)
        run("git-lfs", what, ["git", "add", path], lfs)
        run("cp+sha256sum", what, f"cp -r {source}/{path} . && sync && find {path} -type f -print0 | xargs -0 sha256sum > {path}.sum", floor)

    # a new version: 0.5 % inserted in the middle, 0.5 % overwritten elsewhere
    part = args.size * (1 << 20) // 200
    generator = random.Random(3)
    with open(source + "/big/a.bin", "rb") as file, open(source + "/big/b", "wb") as new:
        half = args.size * (1 << 20) // 2
        left = half
        while left:
            block = file.read(min(left, 1 << 22)); new.write(block); left -= len(block)
        new.write(generator.randbytes(part))
        shutil.copyfileobj(file, new, 1 << 22)
        new.seek(args.size * (1 << 20) // 5); new.write(generator.randbytes(part))
    os.replace(source + "/big/b", source + "/big/a.bin")
    for folder in (mine, lfs):
        shutil.copy(source + "/big/a.bin", folder + "/big/a.bin")
    stored = {"takt": size(mine + "/.takt/store"), "restic": size(repo), "git-lfs": size(lfs + "/.git")}
    run("takt", "new version, 1 % changed", [takt, "data", "add", "big"], mine)
    run("restic", "new version, 1 % changed", ["restic", "-q", "-r", repo, "backup", "big"], source)
    run("git-lfs", "new version, 1 % changed", ["git", "add", "big"], lfs)
    stored = {who: size(folder) - stored[who] for who, folder in (("takt", mine + "/.takt/store"), ("restic", repo), ("git-lfs", lfs + "/.git"))}

    shutil.rmtree(mine + "/big"); shutil.rmtree(mine + "/small")
    run("takt", "checkout of all", [takt, "data", "checkout"], mine)
    for path in ("big", "small"):
        os.makedirs(os.path.join(top, "restored"), exist_ok=True)
    run("restic", "checkout of all", f"restic -q -r {repo} restore latest --path {source}/big --target {top}/restored && restic -q -r {repo} restore latest --path {source}/small --target {top}/restored", top)
    subprocess.run(["git", "commit", "-qm", "x"], cwd=lfs, env=env, check=True)
    shutil.rmtree(lfs + "/big"); shutil.rmtree(lfs + "/small")
    run("git-lfs", "checkout of all", ["git", "checkout", "-q", "."], lfs)
    for path in ("big", "small"):
        subprocess.run(["diff", "-rq", f"{source}/{path}", f"{mine}/{path}"], check=True)

    time.sleep(0.1)
    subprocess.run([takt, "data", "status"], cwd=mine, env=env, check=True, stdout=subprocess.DEVNULL)
    for _ in range(3):
        run("takt", "status, nothing changed", [takt, "data", "status"], mine)
    run("restic", "status, nothing changed", ["restic", "-q", "-r", repo, "backup", "-n", "small"], source)
    run("git-lfs", "status, nothing changed", ["git", "status", "--porcelain"], lfs)

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}")
    for title, part in (("seconds", 0), ("seconds of CPU", 1)):
        print(f"{title:28}{'takt':>8}{'restic':>9}{'git-lfs':>9}{'cp+sum':>9}   restic/takt  git-lfs/takt")
        for what, both in results.items():
            times = both[part]
            def cell(who, width): return f"{times[who]:{width}.2f}" if who in times else " " * (width - 1) + "-"
            ratio = lambda who: f"{times[who] / max(times['takt'], 0.001):.1f}x" if who in times else "-"
            print(f"{what:28}{cell('takt', 8)}{cell('restic', 9)}{cell('git-lfs', 9)}{cell('cp+sha256sum', 9)}   {ratio('restic'):>11}  {ratio('git-lfs'):>12}")
    whole = size(source + "/big")
    print("stored for the new version: " + ", ".join(f"{who} {bytes / (1 << 20):.1f} MiB ({bytes / whole:.2%})" for who, bytes in stored.items()))

    if args.million:
        many = os.path.join(top, "many")
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
    shutil.rmtree(top, ignore_errors=True)
