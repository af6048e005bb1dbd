"""Eats memory when asked to, and tells what holds it."""

import http.server
import os
import subprocess
import threading


class Hungry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = "sated\n"
        if self.path == "/eat":
            # A child eats, and all of the app has to go with it.
            code = "b = []\nwhile True: b.append(bytearray(1 << 20))"
            subprocess.run(["python3", "-c", code])
        elif self.path == "/multiply":
            done = threading.Event()
            try:
                for _ in range(3000):
                    threading.Thread(target=done.wait).start()
                text = "no limit\n"
            except RuntimeError as error:
                text = f"limited: {error}\n"
            done.set()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


with http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Hungry) as server:
    server.serve_forever()
