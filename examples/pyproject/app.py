"""A Bottle app whose dependencies stand in pyproject.toml, served by gunicorn."""

import bottle

app = bottle.Bottle()
print("pyproject example: ready", flush=True)


@app.get("/")
def index():
    bottle.response.content_type = "text/plain; charset=utf-8"
    return "Hello from pyproject.toml\n"
