"""Asks a server whether it is ready, in its own protocol, so that no client library is needed.

probe.py kafka PORT               exit 0 once the broker is in its own list of brokers
probe.py mongo-initiate HOSTS     makes a replica set of HOST:PORT,...; one that is made already is fine
probe.py mongo-primary PORT       exit 0 if this member takes writes
probe.py mongo-member PORT        exit 0 if this member takes writes or follows one that does
probe.py connect URL              exit 0 once the worker answers
probe.py connector URL KEY=VALUE...   makes or changes a connector, waits until its task runs
probe.py disconnect URL NAME      deletes a connector
"""

import json
import socket
import struct
import sys
import time
import urllib.error
import urllib.request

SECONDS_PER_CALL = 5
SECONDS_TO_RUN = 60


def exchange(port, message, length_includes_itself):
    """Sends one message, returns the answer without its length."""
    with socket.create_connection(("127.0.0.1", port), SECONDS_PER_CALL) as connection:
        connection.sendall(message)
        length = struct.unpack("<i" if length_includes_itself else ">i", read(connection, 4))[0]
        return read(connection, length - 4 if length_includes_itself else length)


def read(connection, length):
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise ConnectionError("the server closed the connection")
        data += part
    return data


def kafka(port):
    """Metadata, version 1: correlation id, then the array of brokers."""
    client = b"probe"
    body = struct.pack(">hhih", 3, 1, 1, len(client)) + client + struct.pack(">i", 0)
    answer = exchange(int(port), struct.pack(">i", len(body)) + body, False)
    brokers = struct.unpack(">i", answer[4:8])[0]
    return brokers > 0


def bson(value):
    body = b"".join(element(name.encode() + b"\0", item) for name, item in value.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def element(name, value):
    if isinstance(value, int):
        return b"\x10" + name + struct.pack("<i", value)
    if isinstance(value, str):
        text = value.encode() + b"\0"
        return b"\x02" + name + struct.pack("<i", len(text)) + text
    if isinstance(value, list):
        return b"\x04" + name + bson({str(index): item for index, item in enumerate(value)})
    return b"\x03" + name + bson(value)


def mongo(port, command):
    """OP_MSG with one document; the answer as it came, BSON and all."""
    body = struct.pack("<iB", 0, 0) + bson(command)
    return exchange(int(port), struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body, True)


def mongo_initiate(hosts):
    members = [{"_id": index, "host": host} for index, host in enumerate(hosts.split(","))]
    # Elections within a second or two instead of ten.
    settings = {"electionTimeoutMillis": 1500, "heartbeatIntervalMillis": 300}
    config = {"_id": "rs0", "members": members, "settings": settings}
    port = members[0]["host"].rpartition(":")[2]
    answer = mongo(port, {"replSetInitiate": config, "$db": "admin"})
    done = b"\x01ok\0" + struct.pack("<d", 1) in answer or b"AlreadyInitialized\0" in answer
    if not done:
        print(answer.decode("utf-8", "replace"), file=sys.stderr)
    return done


def mongo_primary(port):
    return b"\x08isWritablePrimary\0\x01" in mongo(port, {"hello": 1, "$db": "admin"})


def mongo_member(port):
    answer = mongo(port, {"hello": 1, "$db": "admin"})
    return b"\x08isWritablePrimary\0\x01" in answer or b"\x08secondary\0\x01" in answer


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    # No proxy: the servers are on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        return json.load(response) if response.status != 204 else None


def connect(url):
    return isinstance(call("GET", f"{url}/connectors"), list)


def connector(url, *pairs):
    config = dict(pair.split("=", 1) for pair in pairs)
    name = config["name"]
    try:
        call("PUT", f"{url}/connectors/{name}/config", config)
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        return False
    deadline = time.monotonic() + SECONDS_TO_RUN
    status = {}
    while time.monotonic() < deadline:
        try:
            status = call("GET", f"{url}/connectors/{name}/status")
        except urllib.error.HTTPError as error:
            if error.code not in (404, 409):  # not there yet; the workers share the work out anew
                raise
        states = [part["state"] for part in [status.get("connector", {"state": ""}), *status.get("tasks", [])]]
        if "FAILED" in states:
            break
        if len(states) > 1 and set(states) == {"RUNNING"}:
            return True
        time.sleep(0.1)
    print(json.dumps(status, indent=1).replace("\\n", "\n"), file=sys.stderr)
    return False


def disconnect(url, name):
    deadline = time.monotonic() + SECONDS_TO_RUN
    while True:
        try:
            call("DELETE", f"{url}/connectors/{name}")
            return True
        except urllib.error.HTTPError as error:
            # The workers share the work out anew.
            if error.code != 409 or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


PROBES = {
    "kafka": kafka,
    "mongo-initiate": mongo_initiate,
    "mongo-primary": mongo_primary,
    "mongo-member": mongo_member,
    "connect": connect,
    "connector": connector,
    "disconnect": disconnect,
}

if __name__ == "__main__":
    try:
        sys.exit(0 if PROBES[sys.argv[1]](*sys.argv[2:]) else 1)
    except (OSError, ValueError, struct.error) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
