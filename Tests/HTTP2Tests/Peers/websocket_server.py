"""A WebSocket server: websocket_server.py PORT. It echoes; /close ends with a code of its own, /no is no WebSocket."""
import http
import sys

import websockets.sync.server


def handle(connection):
    if connection.request.path == "/close":
        connection.close(4001, "as you wish")
        return
    for message in connection:
        connection.send(message)


def decline(connection, request):
    if request.path == "/no":
        return connection.respond(http.HTTPStatus.NOT_FOUND, "no WebSocket here\n")


with websockets.sync.server.serve(
        handle, "127.0.0.1", int(sys.argv[1]), process_request=decline, subprotocols=["chat"], max_size=None) as server:
    server.serve_forever()
