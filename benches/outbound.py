#!/usr/bin/env python3
"""Measures a sandbox's way out beside slirp4netns and pasta.

    cargo build --release && sudo python3 benches/outbound.py

Makes a machine of its own in a network namespace behind a wire, and reaches it from the host
itself, from a sandbox, and from namespaces that slirp4netns and pasta lead out of, in turns:
bytes a second up and down over one connection, the round trip of a byte, and the time to connect.
Needs root for the wire, slirp4netns and passt (Debian's packages). Leaves nothing behind.
"""

import argparse
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAR, NEAR = "198.51.100.250", "198.51.100.249"
ECHO, SINK, SOURCE = 7, 9, 19

SERVER = """
import socket, sys, threading
sys.stdin.readline()
def serve(port, handle):
    listener = socket.create_server(("", port), backlog=128)
    def loop():
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=safely, args=(handle, connection), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
def safely(handle, connection):
    try:
        with connection: handle(connection)
    except OSError: pass
def echo(c):
    while data := c.recv(65536): c.sendall(data)
def sink(c):
    room = bytearray(1 << 20)
    while c.recv_into(room): pass
    c.sendall(b"x")
def source(c):
    data = bytes(1 << 20)
    while True: c.sendall(data)
serve(7, echo); serve(9, sink); serve(19, source)
print("ready", flush=True)
sys.stdin.readline()
"""

CLIENT = """
import json, socket, statistics, sys, time
to, seconds = sys.argv[1], float(sys.argv[2])
def connect(port):
    for attempt in range(100):
        try: c = socket.create_connection((to, port), 10); break
        except OSError:
            if attempt == 99: raise
            time.sleep(0.05)
    c.settimeout(None)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return c
connect(7).close()
c, trips = connect(7), []
for _ in range(2000):
    begun = time.perf_counter(); c.sendall(b"x"); c.recv(1); trips.append(time.perf_counter() - begun)
connects = []
for _ in range(200):
    begun = time.perf_counter(); one = socket.create_connection((to, 7)); connects.append(time.perf_counter() - begun); one.close()
c, data, sent, begun = connect(9), bytes(1 << 20), 0, time.perf_counter()
while time.perf_counter() - begun < seconds: c.sendall(data); sent += len(data)
c.shutdown(socket.SHUT_WR); c.recv(1)
up = sent * 8 / (time.perf_counter() - begun)
c, room, came, begun = connect(19), bytearray(1 << 20), 0, time.perf_counter()
while time.perf_counter() - begun < seconds: came += c.recv_into(room)
down = came * 8 / (time.perf_counter() - begun)
print(json.dumps(dict(up=up / 1e9, down=down / 1e9, trip=statistics.median(trips) * 1e6, connect=statistics.median(connects) * 1e6)))
"""


def run(*words, **more):
    return subprocess.run(words, check=True, **more)


def machine():
    """A process in a network of its own, which serves until its input ends."""
    server = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    ours = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{server.pid}/ns/net") == ours:
        time.sleep(0.01)
    inside = ("nsenter", "-t", str(server.pid), "-n", "ip")
    run("ip", "link", "add", "pbench", "type", "veth", "peer", "name", "far", "netns", str(server.pid))
    run("ip", "addr", "add", f"{NEAR}/30", "dev", "pbench")
    run("ip", "link", "set", "pbench", "up")
    run(*inside, "addr", "add", f"{FAR}/30", "dev", "far")
    run(*inside, "link", "set", "far", "up")
    run(*inside, "link", "set", "lo", "up")
    server.stdin.write("go\n")
    server.stdin.flush()
    assert server.stdout.readline() == "ready\n"
    return server


def client(seconds):
    return ["/usr/bin/python3", "-c", CLIENT, FAR, str(seconds)]


def by_host(seconds, _):
    return json.loads(run(*client(seconds), stdout=subprocess.PIPE).stdout)


def by_pasta(seconds, _):
    # As root it would become nobody, who may not look at its own /proc.
    words = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "pasta", "--config-net", "--quiet", "--"]
    return json.loads(run(*words, *client(seconds), stdout=subprocess.PIPE, cwd="/").stdout)


def by_slirp(seconds, _):
    words = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'read x; exec "$@"', "sh"]
    inside = subprocess.Popen(
        [*words, *client(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    ours = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{inside.pid}/ns/net") == ours:
        time.sleep(0.01)
    ready, told = os.pipe()
    slirp = subprocess.Popen(
        ["slirp4netns", "--configure", "--mtu=65520", f"--ready-fd={told}", str(inside.pid), "tap0"],
        pass_fds=[told], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    os.close(told)
    os.read(ready, 1)
    os.close(ready)
    try:
        return json.loads(inside.communicate("go\n")[0])
    finally:
        slirp.terminate()
        slirp.wait()


def by_pastina(seconds, binary):
    with tempfile.TemporaryDirectory() as root:
        folder = pathlib.Path(root) / "instance"
        folder.mkdir()
        rule = {"first": FAR, "last": FAR, "protocol": "all"}
        spec = {
            "version": 1, "kind": "process", "id": f"bench-{os.getpid()}", "dir": str(folder), "home": None,
            "home_writable": False, "binds": [], "argv": client(seconds),
            "env": [["PATH", "/usr/local/bin:/usr/bin:/bin"]], "cwd": "/home/vcap",
            "hostname": "bench", "ids": {"range": {"first": 1_000_000}}, "network": "tunnel",
            "egress": {"rules": [rule]}, "log_bytes": 1 << 20,
            "limits": {"memory": None, "cpu_weight": None, "cpu_milli": None, "pids": None, "files": None},
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        said = run(binary, "sandbox-shim", str(folder), stdout=subprocess.PIPE, text=True).stdout
        if said != "ready":
            sys.exit(f"the sandbox's shim said {said!r}")
        while "ended" not in (status := (folder / "status.json").read_text()):
            time.sleep(0.05)
        log = (folder / "log.0").read_bytes()
        # Records of 13 bytes and a line; the file begins with 16 bytes of its own.
        length = struct.unpack_from("<I", log, 16)[0]
        line = log[29:29 + length]
        try:
            return json.loads(line)
        except ValueError:
            sys.exit(f"the sandbox said {log!r} and ended as {status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=ROOT / "target/x86_64-unknown-linux-gnu/release/pastina")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    given = parser.parse_args()
    ways = {"the host": by_host, "pastina": by_pastina, "slirp4netns": by_slirp, "pasta": by_pasta}
    figures = {name: [] for name in ways}
    server = machine()
    try:
        for _ in range(given.rounds):
            for name, way in ways.items():
                figures[name].append(way(given.seconds, str(given.binary)))
    finally:
        server.stdin.close()
        server.wait()
    print(f"{'':12} {'up Gbit/s':>22} {'down Gbit/s':>22} {'round trip us':>22} {'connect us':>22}")
    for name, rounds in figures.items():
        cells = []
        for what in ("up", "down", "trip", "connect"):
            values = [one[what] for one in rounds]
            shown = statistics.median(values), min(values), max(values)
            digits = 2 if what in ("up", "down") else 0
            cells.append("{:.{d}f} ({:.{d}f} to {:.{d}f})".format(*shown, d=digits).rjust(22))
        print(f"{name:12}", *cells)


if __name__ == "__main__":
    main()
