#!/usr/bin/env python3
"""Measures what comes after a first push: the same app with another source and the same
dependencies, the same app unchanged, and an app of 200 MB of modules.

    cargo build --release && python3 benches/pushes.py [--binary FILE] [--rounds N] [APP...]

Runs a daemon of its own in a temporary folder, as whoever calls it, and leaves nothing behind.
The first push fetches dependencies from their registries, so its time is that of the network,
too; the caches of the machine's own clients play no part, since builds do not see them.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from main_job import ROOT, Daemon, show

# The app's folder, and the file of its source that changes, with what is put at its end.
APPS = {
    "httpbin": (ROOT / "tests/apps/httpbin", "more.py", "# {}\n"),
    "flask": (ROOT / "examples/flask", "app.py", "# {}\n"),
    "express": (ROOT / "examples/express", "server.js", "// {}\n"),
    "go-httpbin": (ROOT / "tests/apps/go-httpbin", "main.go", "// {}\n"),
    "spring-boot": (ROOT / "examples/spring-boot", "src/main/resources/more.txt", "{}\n"),
    "rust-service": (ROOT / "examples/rust-service", "src/main.rs", "// {}\n"),
}

MANY = {
    "package.json": json.dumps({
        "name": "many", "version": "1.0.0",
        "scripts": {"build": "node make.js", "start": "node server.js"}}),
    # As npm leaves them: 20,000 files of 10 KB of text that shrinks to some third.
    "make.js": """
const fs = require("fs"), crypto = require("crypto");
for (let module = 0; module < 400; module++) {
  const folder = `node_modules/module-${module}/lib`;
  fs.mkdirSync(folder, { recursive: true });
  for (let file = 0; file < 50; file++) {
    let text = "";
    while (text.length < 10240) {
      text += `exports.f${crypto.randomBytes(6).toString("hex")} = function (value) { return value; };\\n`;
    }
    fs.writeFileSync(`${folder}/${file}.js`, text);
  }
}
fs.writeFileSync("built", String(Date.now()));
""",
    "server.js": """
const built = Number(require("fs").readFileSync("built", "utf8")), started = Date.now();
require("http").createServer((_, answer) => answer.end(String(started - built)))
  .listen(process.env.PORT);
""",
}


class Client:
    """Pushes with the project's own client."""

    def __init__(self, binary, daemon, folder):
        self.binary, self.daemon = binary, daemon
        self.environment = dict(os.environ, PASTINA_HOME=folder + "/client", NO_COLOR="1",
                                PASTINA_RUN_DIR=folder + "/run")
        self.run("login")

    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments], env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            sys.exit(done.stdout)

    def push(self, name, folder):
        """Seconds of a whole push, with the wait for the new instance."""
        begin = time.monotonic()
        self.run("push", name, "-p", folder, "-m", "384M")
        return time.monotonic() - begin


def repeated(client, app, work, rounds):
    source, file, line = APPS[app]
    first, second, same = [], [], []
    for number in range(rounds):
        name = f"{app}-{number}"
        folder = work / name
        shutil.copytree(source, folder)
        (folder / "manifest.yml").unlink(missing_ok=True)
        first.append(client.push(name, folder))
        with open(folder / file, "a") as changed:
            changed.write(line.format(number))
        second.append(client.push(name, folder))
        same.append(client.push(name, folder))
        client.run("delete", name, "--routes", "--force")
    show(f"{app}: first push", first, "s", "-")
    wanted = statistics.median(first) / 4
    show(f"{app}: another source, same dependencies", second, "s", f"at most {wanted:.2f}")
    show(f"{app}: unchanged", same, "s", "at most 1")


def large(client, daemon, work, rounds):
    folder = work / "many"
    folder.mkdir()
    for file, text in MANY.items():
        (folder / file).write_text(text)
    times = []
    for number in range(rounds):
        name = f"many-{number}"
        client.push(name, folder)
        status, answer = daemon.request("GET", "/", host=f"{name}.localhost")
        assert status == 200, answer
        times.append(int(answer) / 1000)
        client.run("delete", name, "--routes", "--force")
    show("200 MB of modules: from built to the app's own code", times, "s", "at most 3")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT / "target/x86_64-unknown-linux-gnu/release/pastina"
    parser.add_argument("--binary", default=str(default))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("apps", nargs="*", default=[*APPS, "many"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pastina-bench-") as folder:
        os.chmod(folder, 0o711)
        daemon = Daemon(arguments.binary, folder)
        daemon.start()
        try:
            client = Client(arguments.binary, daemon, folder)
            work = pathlib.Path(folder) / "apps"
            work.mkdir()
            for app in arguments.apps:
                if app == "many":
                    large(client, daemon, work, arguments.rounds)
                else:
                    repeated(client, app, work, arguments.rounds)
        finally:
            daemon.end(signal.SIGINT)


if __name__ == "__main__":
    main()
