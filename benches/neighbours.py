#!/usr/bin/env python3
"""Measures what a neighbour notices of an app that takes all it can get.

    cargo build --release && python3 benches/neighbours.py [--seconds 10] [ATTACK...]

A small Python app is asked at a fixed rate, each answer timed from when its request was due, for
a while alone, for a while beside processes that spin in a group of the kernel's idle class
(cpu.idle), and for a while beside each attacking app of benches/attacks, in turn, so that what
else the machine does meets all three. The idle class runs only when nobody else wants to: what
it costs is what this machine charges for processors that are not asleep (a virtual one pays its
host for that), and no platform can do better. Wanted: a p99 beside an attack of at most twice
the quiet one, where the idle class itself allows that.
Runs a daemon of its own in a temporary folder and leaves nothing behind. Needs root.
"""

import argparse
import errno
import http.client
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

from main_job import ROOT, Daemon

ATTACKS = ["cpu", "fork", "threads", "heap", "page_cache", "disk", "inodes", "log", "newlines",
           "sockets"]


def ask(address, seconds, rate):
    """Latencies in ms of requests that are due at `rate` a second over one connection."""
    connection = http.client.HTTPConnection(address, timeout=30)
    times = []
    begin = time.monotonic()
    for number in range(int(seconds * rate)):
        due = begin + number / rate
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        connection.request("GET", "/", headers={"Host": "neighbour.localhost"})
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status
        times.append((time.monotonic() - due) * 1000)
    connection.close()
    return sorted(times)


class IdleClass:
    """Processes that spin, one for each processor, and get what nobody else wants."""

    def __enter__(self):
        tree = pathlib.Path("/sys/fs/cgroup")
        tree = tree / "cpu" if (tree / "cpu").is_dir() else tree
        self.group = tree / f"pastina-bench-{os.getpid()}"
        self.group.mkdir()
        (self.group / "cpu.idle").write_text("1")
        enter = f"echo $$ > {self.group}/cgroup.procs && while :; do :; done"
        self.spinning = [subprocess.Popen(["sh", "-c", enter]) for _ in range(os.cpu_count())]
        return self

    def __exit__(self, *_):
        for process in self.spinning:
            process.kill()
            process.wait()
        while True:
            try:
                return self.group.rmdir()
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                time.sleep(0.01)


def percentile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT / "target/x86_64-unknown-linux-gnu/release/pastina"
    parser.add_argument("--binary", default=str(default))
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("attacks", nargs="*", default=ATTACKS)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="pastina-bench-") as folder:
        os.chmod(folder, 0o711)
        daemon = Daemon(arguments.binary, folder)
        daemon.start()
        environment = dict(os.environ, PASTINA_HOME=folder + "/client", NO_COLOR="1",
                           PASTINA_RUN_DIR=folder + "/run")

        def pastina(*words):
            done = subprocess.run([arguments.binary, *words], env=environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, done.stdout

        def measure():
            return ask(daemon.listen[0], arguments.seconds, arguments.rate)

        try:
            pastina("login")
            pastina("push", "neighbour", "-p", str(ROOT / "examples/python-plain"))
            print(f"{'attack':<12} {'quiet p50':>10} {'p99':>8} {'idle class p50':>15} {'p99':>8} "
                  f"{'beside it p50':>14} {'p99':>8} {'/ quiet':>8} {'/ idle class':>13}"
                  f"   (ms; medians of {arguments.rounds} rounds)")
            for attack in arguments.attacks:
                manifest = os.path.join(folder, "manifest.yml")
                with open(manifest, "w") as file:
                    file.write(f"""applications:
- name: attacker
  path: {ROOT}/benches/attacks
  memory: 128M
  disk_quota: 256M
  no-route: true
  health-check-type: process
  command: python3 attack.py
  buildpacks: [binary_buildpack]
  env: {{ATTACK: {attack}}}
""")
                quiet, idle, loud = [], [], []
                for _ in range(arguments.rounds):
                    quiet.append(measure())
                    with IdleClass():
                        idle.append(measure())
                    pastina("push", "-f", manifest)
                    loud.append(measure())
                    pastina("delete", "-f", "attacker")

                def median(rounds, share):
                    return statistics.median(percentile(times, share) for times in rounds)

                before, busy, beside = (median(rounds, 0.99) for rounds in (quiet, idle, loud))
                print(f"{attack:<12} {median(quiet, 0.5):10.2f} {before:8.2f} "
                      f"{median(idle, 0.5):15.2f} {busy:8.2f} "
                      f"{median(loud, 0.5):14.2f} {beside:8.2f} "
                      f"{beside / before:8.2f} {beside / busy:13.2f}", flush=True)
        finally:
            daemon.end(signal.SIGINT)


if __name__ == "__main__":
    main()
