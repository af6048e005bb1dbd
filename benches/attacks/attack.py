"""An app that takes as much of one thing as it can get; ATTACK says of what."""

import mmap
import os
import socket
import sys
import threading


def forever(work):
    while True:
        try:
            work()
        except OSError:
            pass


def spin():
    while True:
        pass


def cpu():
    for _ in range(31):
        if os.fork() == 0:
            spin()
    spin()


def fork():
    def child():
        if os.fork() == 0:
            spin()
    forever(child)


def heap():
    # To just below the limit, written over and over; now and then beyond it.
    pages = mmap.mmap(-1, 100 << 20)
    while True:
        for at in range(0, len(pages), 4096):
            pages[at] = (pages[at] + 1) & 255


def page_cache():
    def work():
        with open("/home/vcap/big", "wb") as file:
            for _ in range(400):
                file.write(b"x" * (1 << 20))
        with open("/home/vcap/big", "rb") as file:
            while file.read(1 << 20):
                pass
    forever(work)


def disk():
    def work():
        with open("/home/vcap/filler", "wb") as file:
            while True:
                file.write(b"x" * (1 << 20))
                file.flush()
                os.fsync(file.fileno())
    def over():
        try:
            work()
        except OSError:
            os.unlink("/home/vcap/filler")
    forever(over)


def inodes():
    os.makedirs("/home/vcap/many", exist_ok=True)
    def work():
        for number in range(100_000):
            path = f"/home/vcap/many/{number}"
            try:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            except OSError:
                break
        for name in os.listdir("/home/vcap/many"):
            os.unlink("/home/vcap/many/" + name)
    forever(work)


def log():
    line = b"x" * 200 + b"\n"
    while True:
        os.write(1, line * 50)


def newlines():
    while True:
        os.write(1, b"\n" * 60_000)


def sockets():
    listener = socket.create_server(("127.0.0.1", 9999), backlog=4096)
    def accept():
        while True:
            listener.accept()[0].close()
    threading.Thread(target=accept, daemon=True).start()
    def work():
        socket.create_connection(("127.0.0.1", 9999)).close()
    forever(work)


def threads():
    def start():
        try:
            threading.Thread(target=spin, daemon=True).start()
        except RuntimeError:
            pass
    forever(start)


print("attacking with", os.environ["ATTACK"], flush=True)
getattr(sys.modules[__name__], os.environ["ATTACK"])()
