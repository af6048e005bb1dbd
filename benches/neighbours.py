#!/usr/bin/env python3
"""Measures what a neighbour notices of an app that takes all it can get.

    cargo build --release && python3 benches/neighbours.py [--seconds 10] [ATTACK...]

A small Python app is asked at a fixed rate, each answer timed from when its request was due, for
a while alone and for a while beside each attacking app of benches/attacks, in turn, so that what
else the machine does meets both. Wanted: a p99 beside an attack of at most twice the quiet one.
Runs a daemon of its own in a temporary folder and leaves nothing behind.
"""

import argparse
import http.client
import os
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
            print(f"{'attack':<12} {'quiet p50':>10} {'p99':>8} {'beside it p50':>14} {'p99':>8} "
                  f"{'ratio of p99':>13}   (ms; medians of {arguments.rounds} rounds)")
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
                quiet, loud = [], []
                for _ in range(arguments.rounds):
                    quiet.append(measure())
                    pastina("push", "-f", manifest)
                    loud.append(measure())
                    pastina("delete", "-f", "attacker")

                def median(rounds, share):
                    return statistics.median(percentile(times, share) for times in rounds)

                before, beside = median(quiet, 0.99), median(loud, 0.99)
                print(f"{attack:<12} {median(quiet, 0.5):10.2f} {before:8.2f} "
                      f"{median(loud, 0.5):14.2f} {beside:8.2f} {beside / before:13.2f}", flush=True)
        finally:
            daemon.end(signal.SIGINT)


if __name__ == "__main__":
    main()
