"""A machine client: connects once with Python's websockets, asks who it is, and prints one line of JSON.

Reads one line of JSON from standard input: {"uri", "headers", "subprotocols", "auth"}. `auth` is the data of a first message.
"""

import asyncio
import inspect
import json
import sys

import websockets


def headers_keyword():
    """The name of the argument: `extra_headers` until version 13, `additional_headers` since 14."""
    parameters = inspect.signature(websockets.connect.__init__).parameters
    return "additional_headers" if "additional_headers" in parameters else "extra_headers"


async def frame(socket):
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


async def talk(order):
    options = {headers_keyword(): order.get("headers", {})}
    async with websockets.connect(
        order["uri"], subprotocols=order.get("subprotocols"), open_timeout=10, **options
    ) as socket:
        frames = []
        if order.get("auth"):
            frames.append(await frame(socket))
            await socket.send(json.dumps({"event": "auth", "data": order["auth"]}))
        if order.get("auth") or socket.subprotocol:
            frames.append(await frame(socket))
        await socket.send(json.dumps({"event": "whoami"}))
        answer = await frame(socket)
        return {
            "subprotocol": socket.subprotocol,
            "events": [event["event"] for event in frames],
            "principal": answer["data"],
        }


async def main():
    order = json.loads(sys.stdin.readline())
    try:
        result = await talk(order)
    except websockets.ConnectionClosed as error:
        close = error.rcvd
        result = {"closed": close.code if close else 1006, "reason": close.reason if close else ""}
    except websockets.InvalidHandshake as error:
        response = getattr(error, "response", error)
        result = {"status": response.status_code}
    print(json.dumps(result))


asyncio.run(main())
