#!/usr/bin/env python3
"""Measures what a request costs the gateway, beside nginx, HAProxy and Caddy in one run.

    cargo build --release && python3 benches/gateway.py [--seconds 2] [--rounds 6] [SCENARIO...]

The headline is processor time of the proxy's processes for 100,000 requests, as a ratio to
nginx's in the same round, since client and backend share the machine's cores with it; rounds
go there and back (A B C, C B A), the figure is the median. Every proxy is asked for the same
answers by the same client, keeps connections to its backend, writes an access log and counts.
Pastina's is its whole daemon, with the logs of apps and everything else that it does; its backend
is an app in a sandbox, the others' is the same nginx with the same configuration outside.

Needs nginx, haproxy, caddy, wrk, h2load and openssl (Debian: nginx-light haproxy caddy wrk
nghttp2-client openssl); what is not there is left out, but nginx, wrk and openssl have to be.
Runs everything in a temporary folder and leaves nothing behind.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from main_job import ROOT, Daemon

HOST = "backend.localhost"
SMALL = "x" * 200
CONNECTIONS = 64
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def backend_conf(listen, root):
    return f"""
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  server {{
    listen {listen};
    root {root};
    location = / {{ return 200 "{SMALL}"; }}
  }}
}}
"""


class Nginx:
    """nginx from the host, as a backend or a proxy."""

    def __init__(self, folder, conf):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        main = f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\n"
        (self.folder / "nginx.conf").write_text(main + conf)
        self.child = subprocess.Popen(
            [shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c",
             f"{folder}/nginx.conf"])

    def pids(self):
        return family(self.child.pid)


def family(pid):
    """The process and its children."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def nginx_proxy(folder, backend, http, https, certificate):
    return Nginx(folder, f"""
worker_processes auto;
worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{
  access_log {folder}/access.log;
  keepalive_requests 1000000000;
  upstream app {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{http} reuseport;
    listen 127.0.0.1:{https} ssl http2 reuseport;
    http2_max_requests 1000000000;
    ssl_certificate {certificate}.crt;
    ssl_certificate_key {certificate}.key;
    ssl_protocols TLSv1.3;
    ssl_session_tickets off;
    server_name {HOST};
    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
""")


class HAProxy:
    """HAProxy from the host."""

    def __init__(self, folder, backend, http, https, certificate):
        path = pathlib.Path(folder)
        path.mkdir()
        pem = pathlib.Path(certificate + ".crt").read_text()
        pem += pathlib.Path(certificate + ".key").read_text()
        (path / "both.pem").write_text(pem)
        log = str(path / "log.sock")
        # What a log costs is to write it, and somebody has to take it.
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log.bind(log)
        (path / "haproxy.cfg").write_text(f"""
global
  nbthread {os.cpu_count()}
  maxconn 20000
  log {log} local0
defaults
  mode http
  log global
  option httplog
  option forwardfor
  http-reuse always
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend main
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {path}/both.pem alpn h2,http/1.1 ssl-min-ver TLSv1.3 no-tls-tickets
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  use_backend app if {{ req.hdr(host),field(1,:) -i {HOST} }}
backend app
  server one 127.0.0.1:{backend} pool-max-conn 128
""")
        self.child = subprocess.Popen(["haproxy", "-db", "-f", str(path / "haproxy.cfg")],
                                      stderr=subprocess.DEVNULL)

    def pids(self):
        return [self.child.pid]


class Caddy:
    """Caddy from the host."""

    def __init__(self, folder, backend, http, https, certificate):
        path = pathlib.Path(folder)
        path.mkdir()
        body = f"  log {{\n    output file {path}/access.log\n  }}\n  reverse_proxy 127.0.0.1:{backend}\n"
        (path / "Caddyfile").write_text(
            "{\n  admin off\n  auto_https off\n  persist_config off\n}\n"
            f"http://{HOST}:{http} {{\n{body}}}\n"
            f"https://{HOST}:{https} {{\n  tls {certificate}.crt {certificate}.key\n{body}}}\n")
        environment = dict(os.environ, HOME=str(path))
        self.child = subprocess.Popen(
            ["caddy", "run", "--config", str(path / "Caddyfile"), "--adapter", "caddyfile"],
            env=environment, stderr=subprocess.DEVNULL)

    def pids(self):
        return [self.child.pid]


def cpu(pids):
    """Seconds of processor time that these processes have used."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def wrk(url, seconds, *headers):
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"Host: {HOST}"]
    for header in headers:
        words += ["-H", header]
    text = subprocess.run([*words, url], text=True, capture_output=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    assert not failed, f"{url}: {text}"
    return int(re.search(r"(\d+) requests in", text)[1])


def h2load(url, seconds):
    port = re.search(r":(\d+)/", url)[1]
    words = ["h2load", "-t1", "-c16", "-m8", f"-D{seconds}", "-H", f":authority: {HOST}",
             "--connect-to", f"127.0.0.1:{port}", f"https://{HOST}:{port}/"]
    text = subprocess.run(words, text=True, capture_output=True, check=True).stdout
    done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", text)
    assert done and done[2] == done[3] == "0", f"{url}: {text}"
    status = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    assert status[3] == status[4] == "0", f"{url}: {text}"
    return int(done[1])


def scenarios():
    close = "Connection: close"
    found = {
        "keep-alive": lambda http, https, s: wrk(f"http://127.0.0.1:{http}/", s),
        "64 KiB": lambda http, https, s: wrk(f"http://127.0.0.1:{http}/64k", s),
        "connection a request": lambda http, https, s: wrk(f"http://127.0.0.1:{http}/", s, close),
        "TLS keep-alive": lambda http, https, s: wrk(f"https://127.0.0.1:{https}/", s),
        "TLS handshakes": lambda http, https, s: wrk(f"https://127.0.0.1:{https}/", s, close),
    }
    if shutil.which("h2load"):
        found["HTTP/2"] = lambda http, https, s: h2load(f"https://127.0.0.1:{https}/", s)
    return found


def wait_for(http, child):
    while True:
        try:
            with socket.create_connection(("127.0.0.1", http), 1):
                return
        except OSError:
            if child.poll() is not None:
                sys.exit("a proxy did not start")
            time.sleep(0.02)


def pastina_proxy(binary, folder, site):
    os.mkdir(folder)
    daemon = Daemon(binary, folder)
    daemon.start()
    environment = dict(os.environ, PASTINA_HOME=folder + "/client", NO_COLOR="1",
                       PASTINA_RUN_DIR=folder + "/run")
    for words in (["login"], ["push", "backend", "-p", site, "-m", "64M"]):
        done = subprocess.run([binary, *words], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
    return daemon


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT / "target/x86_64-unknown-linux-gnu/release/pastina"
    parser.add_argument("--binary", default=str(default))
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--peers", default="nginx,haproxy,caddy")
    parser.add_argument("scenarios", nargs="*", default=list(scenarios()))
    arguments = parser.parse_args()
    peers = [peer for peer in arguments.peers.split(",")
             if peer == "nginx" or shutil.which(peer)]

    with tempfile.TemporaryDirectory(prefix="pastina-bench-") as folder:
        os.chmod(folder, 0o755)
        certificate = folder + "/certificate"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", certificate + ".key", "-out", certificate + ".crt",
             "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-days", "2"],
            check=True, capture_output=True)
        site = pathlib.Path(folder) / "site"
        site.mkdir()
        (site / "64k").write_bytes(b"x" * 65536)
        os.chmod(site, 0o755)
        port = free_port()
        backend = Nginx(folder + "/backend", backend_conf(f"127.0.0.1:{port}", site))
        app = pathlib.Path(folder) / "app"
        (app / "files").mkdir(parents=True)
        shutil.copy(site / "64k", app / "files")
        conf = backend_conf("{{port}}", "files")
        (app / "nginx.conf").write_text(conf)

        proxies, ports, children = {}, {}, [backend.child]
        daemon = None
        try:
            for name in peers:
                make = {"nginx": nginx_proxy, "haproxy": HAProxy, "caddy": Caddy}[name]
                ports[name] = (free_port(), free_port())
                proxies[name] = make(f"{folder}/{name}", port, *ports[name], certificate)
                children.append(proxies[name].child)
                wait_for(ports[name][0], proxies[name].child)
            daemon = pastina_proxy(arguments.binary, folder + "/pastina", str(app))
            ports["pastina"] = tuple(int(it.rpartition(":")[2]) for it in daemon.listen)
            pids = {name: proxy.pids() for name, proxy in proxies.items()}
            pids["pastina"] = [daemon.child.pid]
            names = [*peers, "pastina"]

            print(f"{'scenario':<22}" + "".join(f"{name:>26}" for name in names))
            print(f"{'':<22}" + f"{'s/100k   req/s   /nginx':>26}" * len(names))
            for scenario in arguments.scenarios:
                run = scenarios()[scenario]
                costs, rates, ratios = ({name: [] for name in names} for _ in range(3))
                for number in range(arguments.rounds):
                    order = names if number % 2 == 0 else names[::-1]
                    this = {}
                    for name in order:
                        before = cpu(pids[name])
                        begin = time.monotonic()
                        count = run(*ports[name], arguments.seconds)
                        rates[name].append(count / (time.monotonic() - begin))
                        # What is written behind the requests is theirs, too.
                        time.sleep(0.3)
                        this[name] = (cpu(pids[name]) - before) / count * 1e5
                        costs[name].append(this[name])
                    for name in names:
                        ratios[name].append(this[name] / this["nginx"])
                line = f"{scenario:<22}"
                for name in names:
                    middle = statistics.median
                    line += (f"{middle(costs[name]):>10.2f} {middle(rates[name]):>7.0f} "
                             f"{middle(ratios[name]):>7.2f}")
                print(line, flush=True)
        finally:
            if daemon:
                daemon.end(signal.SIGINT)
            for child in children:
                child.terminate()
                child.wait()


if __name__ == "__main__":
    main()
