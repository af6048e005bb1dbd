#!/usr/bin/env python3
"""Measures the control API with much in the state: pages of lists, one app, and `cf apps`.

    cargo build --release && python3 benches/lists.py [--cf PROGRAM] [BINARY]

Fills a daemon of its own in a temporary folder with 2,000 apps in 200 spaces and 5,000 routes, as
whoever calls it, and leaves nothing behind. Pages are asked for one after the other, by an admin
and by somebody with a role in every space; one app is asked for over a few connections while the
daemon has one processor and the client another.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time

from main_job import ROOT, Daemon, show

SPACES, APPS, ROUTES = 200, 2000, 5000
# How often each page is asked for, and how long one app is.
TIMES, SECONDS = 30, 10
CONNECTIONS = 4


def fill(daemon):
    """Makes everything, several at a time, so that commits share their way to the disk."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        def make(path, bodies):
            return list(pool.map(lambda body: daemon.api("POST", path, body)["guid"], bodies))

        def one(guid):
            return {"data": {"guid": guid}}

        orgs = make("/v3/organizations", [{"name": f"org-{n:02}"} for n in range(10)])
        spaces = make("/v3/spaces", [
            {"name": f"space-{n:03}", "relationships": {"organization": one(orgs[n % 10])}}
            for n in range(SPACES)])
        apps = make("/v3/apps", [
            {"name": f"app-{n:04}", "relationships": {"space": one(spaces[n % SPACES])},
             "metadata": {"labels": {"tier": "web" if n % 2 else "job"}}}
            for n in range(APPS)])
        domain = daemon.api("GET", "/v3/domains?names=localhost")["resources"][0]["guid"]
        routes = make("/v3/routes", [
            {"host": f"host-{n:04}",
             "relationships": {"space": one(spaces[n % SPACES]), "domain": one(domain)}}
            for n in range(ROUTES)])
        def lead(n):
            daemon.api("POST", f"/v3/routes/{routes[n]}/destinations",
                       {"destinations": [{"app": {"guid": apps[n % APPS]}}]})
        list(pool.map(lead, range(ROUTES)))
        user = daemon.api("POST", "/Users", {"userName": "dev", "password": "correct horse battery"})
        about = one(user["id"])
        make("/v3/roles", [{"type": "organization_user", "relationships": {
            "user": about, "organization": one(org)}} for org in orgs])
        make("/v3/roles", [{"type": "space_developer", "relationships": {
            "user": about, "space": one(space)}} for space in spaces])
    return orgs, spaces, apps


def pages(spaces, apps):
    """What people and `cf` ask for."""
    some = ",".join(apps[:50])
    return [
        "/v3/organizations?order_by=name",
        "/v3/spaces?include=organization&order_by=name",
        "/v3/apps",
        "/v3/apps?page=40",
        "/v3/apps?order_by=-updated_at&include=space.organization",
        "/v3/apps?label_selector=tier%3Dweb",
        f"/v3/apps?names=app-0007&space_guids={spaces[7]}",
        "/v3/apps?per_page=5000",
        f"/v3/processes?app_guids={some}&embed=process_instances",
        "/v3/processes",
        f"/v3/routes?app_guids={some}",
        "/v3/routes?include=domain,space",
        "/v3/routes?hosts=host-0042",
        "/v3/roles?include=user,space",
        "/v3/users",
        "/v3/domains",
        "/v3/audit_events?order_by=-created_at",
        f"/v3/audit_events?target_guids={apps[0]}",
        f"/v3/spaces/{spaces[0]}/usage_summary",
    ]


def median_of_pages(daemon, who, paths):
    worst = 0
    for path in paths:
        times = []
        for _ in range(TIMES):
            begin = time.monotonic()
            status, data = daemon.request("GET", path)
            times.append((time.monotonic() - begin) * 1000)
            assert status == 200, (path, status, data)
        name = path if len(path) < 60 else path[:57] + "..."
        show(f"{who}: {name}", times, "ms", "at most 50")
        worst = max(worst, sorted(times)[len(times) // 2])
    return worst


def rate(daemon, path):
    """Answers a second to `path`, over connections that stay open."""
    host, port = daemon.listen[0].rsplit(":", 1)
    request = (f"GET {path} HTTP/1.1\r\nHost: {daemon.listen[0]}\r\n"
               f"Authorization: bearer {daemon.token}\r\n\r\n").encode()
    chosen = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        chosen.register(connection, selectors.EVENT_READ, bytearray())
        connection.sendall(request)
    answers, begin = 0, time.monotonic()
    while time.monotonic() - begin < SECONDS:
        for key, _ in chosen.select(1):
            buffer = key.data
            buffer += key.fileobj.recv(65536)
            head, found, body = buffer.partition(b"\r\n\r\n")
            if not found:
                continue
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(body) < length:
                continue
            assert head.startswith(b"HTTP/1.1 200"), bytes(head)
            buffer.clear()
            answers += 1
            key.fileobj.sendall(request)
    seconds = time.monotonic() - begin
    for key in list(chosen.get_map().values()):
        key.fileobj.close()
    return answers / seconds


def pinned(pid, cpu):
    """Keeps every thread of a process on one processor."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {cpu})


def apps_by_cf(daemon, program):
    """The times of `cf apps` in one space."""
    with tempfile.TemporaryDirectory() as home:
        environment = dict(os.environ, CF_HOME=home)

        def cf(*arguments):
            begin = time.monotonic()
            subprocess.run([program, *arguments], env=environment, check=True,
                           stdout=subprocess.DEVNULL)
            return (time.monotonic() - begin) * 1000

        cf("api", f"https://{daemon.listen[1]}", "--skip-ssl-validation")
        cf("auth", "admin", pathlib.Path(daemon.endpoint["admin_password_file"]).read_text().strip())
        cf("target", "-o", "org-00", "-s", "space-000")
        bare = [cf("version") for _ in range(10)]
        return bare, [cf("apps") for _ in range(TIMES)]


def log_in_as(daemon, name):
    token = daemon.token
    form = f"grant_type=password&username={name}&password=correct+horse+battery"
    daemon.token = None
    status, data = daemon.request("POST", "/oauth/token", form, {
        "Authorization": "Basic Y2Y6", "Content-Type": "application/x-www-form-urlencoded"})
    assert status == 200, data
    daemon.token = json.loads(data)["access_token"]
    return token


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("binary", nargs="?", default=ROOT / "target/x86_64-unknown-linux-gnu/release/pastina")
    arguments.add_argument("--cf", default=ROOT / "target/tools/cf")
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="pastina-bench-") as folder:
        os.chmod(folder, 0o711)
        daemon = Daemon(arguments.binary, folder)
        daemon.start()
        try:
            daemon.login()
            _, spaces, apps = fill(daemon)
            paths = pages(spaces, apps)
            median_of_pages(daemon, "admin", paths)
            admin = log_in_as(daemon, "dev")
            median_of_pages(daemon, "developer", paths)
            daemon.token = admin
            if pathlib.Path(arguments.cf).exists():
                bare, whole = apps_by_cf(daemon, arguments.cf)
                show("cf version, which asks nobody", bare, "ms", "-")
                show("cf apps", whole, "ms", "50 more than that")
            mine, *others = sorted(os.sched_getaffinity(0))
            if not others:
                sys.exit("there is one processor only: no figure for one app")
            pinned(daemon.child.pid, mine)
            os.sched_setaffinity(0, others)
            path = f"/v3/apps/{apps[0]}"
            rate(daemon, path)
            show("GET /v3/apps/:guid, daemon on one processor",
                 [rate(daemon, path) for _ in range(3)], "/s", "at least 3000")
        finally:
            daemon.end(signal.SIGINT)


if __name__ == "__main__":
    main()
