#!/usr/bin/env python3
"""Measures the figures of the main job: start-up, memory, push to first answer, adoption.

    cargo build --release && python3 benches/main_job.py

Runs a daemon of its own in a temporary folder, as whoever calls it, and leaves nothing behind.
Times are the machine's own and vary with what else it does; each is a median with its range.
"""

import argparse
import base64
import http.client
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Daemon:
    """One `pastina serve` at a time, on the same folder and ports."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, pathlib.Path(folder)
        self.endpoint_file = self.folder / "run" / "endpoint.json"
        self.listen = ("127.0.0.1:0", "127.0.0.1:0")
        self.child, self.token = None, None

    def start(self):
        """Starts the daemon and returns the seconds until it said that it is ready."""
        self.endpoint_file.unlink(missing_ok=True)
        environment = dict(os.environ, PASTINA_RUN_DIR=str(self.folder / "run"))
        log = open(self.folder / "daemon.log", "ab")
        begin = time.monotonic()
        self.child = subprocess.Popen(
            [self.binary, "serve", "--state-dir", self.folder / "state", "--domain", "localhost",
             "--http", self.listen[0], "--https", self.listen[1]],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while not self.endpoint_file.exists():
            if self.child.poll() is not None:
                sys.exit((self.folder / "daemon.log").read_text())
            time.sleep(0.001)
        seconds = time.monotonic() - begin
        self.endpoint = json.loads(self.endpoint_file.read_text())
        self.listen = (self.endpoint["http_listen"], self.endpoint["https_listen"])
        return seconds

    def end(self, sig):
        self.child.send_signal(sig)
        self.child.wait()

    def request(self, method, path, body=None, headers=None, host=None):
        connection = http.client.HTTPConnection(self.listen[0], timeout=30)
        headers = dict(headers or {})
        if host:
            headers["Host"] = host
        elif self.token:
            headers["Authorization"] = "bearer " + self.token
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, data

    def login(self):
        password = pathlib.Path(self.endpoint["admin_password_file"]).read_text().strip()
        form = urllib.parse.urlencode(
            {"grant_type": "password", "username": "admin", "password": password})
        basic = base64.b64encode(b"cf:").decode()
        self.token = None
        status, data = self.request(
            "POST", "/oauth/token", form,
            {"Authorization": "Basic " + basic,
             "Content-Type": "application/x-www-form-urlencoded"})
        assert status == 200, data
        self.token = json.loads(data)["access_token"]

    def api(self, method, path, body=None):
        status, data = self.request(method, path, json.dumps(body) if body is not None else None)
        assert status < 400, (method, path, status, data)
        return json.loads(data) if data else None


def memory(pid):
    """Resident memory of a process, and what of it is no file's, shared parts divided by
    those who share them; in MiB."""
    values = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        values[name] = int(value.split()[0]) / 1024
    return values["Rss"], values["Pss_Anon"]


def shims_with_inits(folder):
    """Pairs of pids, each a shim of a sandbox under the folder and its init, which is a clone
    of the shim and so has the same command line."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if b"sandbox-shim" in words and any(str(folder).encode() in word for word in words):
                found[int(entry.name)] = parent
    return [(parent, pid) for pid, parent in found.items() if parent in found]


def show(name, values, unit, wanted):
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{name:<52} {middle:9.2f} {unit:<4} ({low:.2f} to {high:.2f}), wanted: {wanted}",
          flush=True)


def push(binary, daemon, home, example, name, extra=()):
    """Seconds from `pastina push` to the first 200 through the gateway."""
    environment = dict(os.environ, PASTINA_HOME=home, PASTINA_RUN_DIR=str(daemon.folder / "run"),
                       NO_COLOR="1")
    begin = time.monotonic()
    child = subprocess.Popen(
        [binary, "push", name, "-p", ROOT / "examples" / example, *extra],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while True:
        status, _ = daemon.request("GET", "/", host=f"{name}.localhost")
        if status == 200:
            break
        if child.poll() not in (None, 0):
            sys.exit(child.stdout.read().decode())
        time.sleep(0.002)
    seconds = time.monotonic() - begin
    output, _ = child.communicate()
    assert child.returncode == 0, output.decode()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT / "target/x86_64-unknown-linux-gnu/release/pastina"
    parser.add_argument("--binary", default=str(default))
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    binary, runs = arguments.binary, arguments.runs

    show("size of the executable", [os.path.getsize(binary) / 2**20], "MiB", "-")
    with tempfile.TemporaryDirectory(prefix="pastina-bench-") as folder:
        os.chmod(folder, 0o711)
        home = folder + "/client"
        daemon = Daemon(binary, folder)
        daemon.start()
        daemon.end(signal.SIGTERM)
        show("ready, empty state", [restart(daemon) for _ in range(runs)], "s", "-")
        daemon.start()
        show("resident memory, no app", [memory(daemon.child.pid)[0]], "MiB", "at most 30")

        login = dict(os.environ, PASTINA_HOME=home, PASTINA_RUN_DIR=folder + "/run")
        subprocess.run([binary, "login"], env=login, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        for example, wanted in (("static-site", "at most 0.5"), ("python-plain", "at most 2")):
            push(binary, daemon, home, example, "warm-" + example)
            seconds = [push(binary, daemon, home, example, f"{example}-{run}")
                       for run in range(runs)]
            show(f"push to first 200, {example}, new app", seconds, "s", wanted)

        shims = shims_with_inits(folder)
        # The program's file, which they share with the daemon and every other shim, is left out.
        private = [memory(shim)[1] + memory(init)[1] for shim, init in shims]
        show("private memory of shim and init", private, "MiB", "at most 2")

        times = []
        for _ in range(runs):
            daemon.end(signal.SIGKILL)
            daemon.start()
            begin = time.monotonic()
            while daemon.request("GET", "/", host="warm-python-plain.localhost")[0] != 200:
                time.sleep(0.001)
            times.append(time.monotonic() - begin)
        show(f"SIGKILL, ready to answering again ({len(shims)} instances)", times, "s", "at most 1")

        daemon.login()
        space = daemon.api("GET", "/v3/spaces")["resources"][0]["guid"]
        domain = daemon.api("GET", "/v3/domains")["resources"][0]["guid"]
        for number in range(1000):
            relationships = {"space": {"data": {"guid": space}}}
            daemon.api("POST", "/v3/apps", {"name": f"app-{number}", "relationships": relationships})
            relationships = dict(relationships, domain={"data": {"guid": domain}})
            daemon.api("POST", "/v3/routes",
                       {"host": f"app-{number}", "relationships": relationships})
        daemon.end(signal.SIGTERM)
        show("ready, 1,000 apps and routes, after SIGTERM", [restart(daemon) for _ in range(runs)],
             "s", "at most 0.3")
        daemon.start()
        killed = []
        for _ in range(runs):
            daemon.end(signal.SIGKILL)
            killed.append(daemon.start())
        show("ready, 1,000 apps and routes, after SIGKILL", killed, "s", "at most 0.3")
        show("resident memory, 1,000 apps", [memory(daemon.child.pid)[0]], "MiB", "-")
        daemon.end(signal.SIGINT)


def restart(daemon):
    seconds = daemon.start()
    daemon.end(signal.SIGTERM)
    return seconds


if __name__ == "__main__":
    main()
