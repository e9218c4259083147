"""The floor of a durable write, for the benches beside it."""
import os, sqlite3, tempfile, time


def raw_commits(seconds):
    """A row and a durable commit each, by one writer of SQLite in this folder's file system: so many a second."""
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as folder:
        db = sqlite3.connect(os.path.join(folder, 'raw.db'), isolation_level=None)
        for pragma in ('journal_mode=wal', 'synchronous=full'): db.execute('pragma ' + pragma)
        db.execute('create table m(run text, key text, step integer, value real)')
        n, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            db.execute('insert into m values(?, ?, ?, ?)', ('r', 'loss', n, 0.5))
            n += 1
        done = n / (time.perf_counter() - start)
        db.close()
        return done
