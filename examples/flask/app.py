"""A Flask app with dependencies, served by gunicorn."""

import flask

app = flask.Flask(__name__)
print("flask example: ready", flush=True)


@app.get("/")
def index():
    print("flask example: GET /", flush=True)
    return "Hello from Flask\n", 200, {"content-type": "text/plain; charset=utf-8"}
