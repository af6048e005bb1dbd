"""Nothing but Python's standard library."""

import http.server
import os


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go out together: apart, the second waits for the first's acknowledgement.
    wbufsize = -1

    def do_GET(self):
        text = b"Hello from Python\n"
        self.send_response(200)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, message, *values):
        print("python example:", message % values, flush=True)


port = int(os.environ["PORT"])
with http.server.ThreadingHTTPServer(("0.0.0.0", port), Hello) as server:
    print(f"python example: ready on port {port}", flush=True)
    server.serve_forever()
