# Python websockets with a token check in process_request. Speaks Node's IPC, as serve.mjs does.
import asyncio
import base64
import gc
import hashlib
import hmac
import http
import json
import os
import resource
import socket
import sys
import time

try:
    import websockets
except ImportError:
    sys.exit("websockets is missing: sudo apt-get install -y python3-websockets")

SECRET = os.environ["BENCH_JWT_SECRET"].encode()
ISSUER = "https://issuer.example"
AUDIENCE = "bench"
HANDLERS = {
    f"event{index:03d}": lambda data: data for index in range(int(os.environ.get("BENCH_HANDLERS", "1")))
}

gc_ms = 0.0
gc_began = 0.0


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def user_of(token):
    """The subject of a token that holds; None for any other."""
    try:
        head, body, signature = token.split(".")
        if json.loads(decode(head)).get("alg") != "HS256":
            return None
        expected = hmac.new(SECRET, f"{head}.{body}".encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(expected, decode(signature)):
            return None
        claims = json.loads(decode(body))
        if claims["iss"] != ISSUER or claims["aud"] != AUDIENCE or claims["exp"] <= time.time():
            return None
        return claims["sub"]
    except (ValueError, KeyError, TypeError):
        return None


async def process_request(path, headers):
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or user_of(token) is None:
        return http.HTTPStatus.UNAUTHORIZED, [], b"Unauthorized\n"
    return None


async def echo(client):
    try:
        async for message in client:
            envelope = json.loads(message)
            handle = HANDLERS.get(envelope["event"])
            if handle is not None:
                reply = {"event": envelope["event"], "data": handle(envelope["data"])}
                await client.send(json.dumps(reply, separators=(",", ":")))
    except websockets.ConnectionClosed:
        pass


def note_collection(phase, _):
    global gc_ms, gc_began
    now = time.perf_counter() * 1_000
    if phase == "start":
        gc_began = now
    else:
        gc_ms += now - gc_began


def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = {"user": used.ru_utime * 1e6, "system": used.ru_stime * 1e6}
    return {"cpu": cpu, "gcMs": gc_ms, "busyMs": (cpu["user"] + cpu["system"]) / 1_000}


def memory():
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as statm:
        pages = int(statm.read().split()[1])
    return {"rss": pages * os.sysconf("SC_PAGE_SIZE")}


ANSWERS = {"usage": usage, "memory": memory, "collect": lambda: gc.collect() and None}


async def answer_parent(reader, writer):
    async for line in reader:
        request = json.loads(line)
        answer = {"id": request.get("id")}
        asked = ANSWERS.get(request.get("ask"))
        if asked is None:
            answer["error"] = f"Python does not answer \"{request.get('ask')}\""
        else:
            answer["answer"] = asked()
        tell(writer, answer)


def tell(writer, message):
    writer.write(json.dumps(message).encode() + b"\n")


async def main():
    gc.callbacks.append(note_collection)
    reader, writer = await connect_to_parent()
    # The generator counts bytes and would take a ping for a part of a reply.
    options = {"ping_interval": None, "compression": None, "backlog": 4_096}
    server = await websockets.serve(echo, "127.0.0.1", 0, process_request=process_request, **options)
    tell(writer, {"port": server.sockets[0].getsockname()[1]})
    await answer_parent(reader, writer)


async def connect_to_parent():
    channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
    channel.setblocking(False)
    return await asyncio.open_unix_connection(sock=channel, limit=2**24)


asyncio.run(main())
