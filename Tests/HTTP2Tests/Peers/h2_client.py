"""A client on Python's h2, which is strict: h2_client.py PORT STREAMS. Every body comes back as it was sent, through small and
changing windows; every frame of the server must be legal."""
import os
import random
import socket
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    sock = socket.create_connection(("127.0.0.1", port))
    sock.settimeout(20)
    sock.sendall(connection.data_to_send())

    bodies, sent, received, statuses, ended, cancelled = {}, {}, {}, {}, set(), set()
    settings_seen = False
    started = 0
    pings = 0
    window = 1000

    def start():
        nonlocal started
        stream = connection.get_next_available_stream_id()
        body = os.urandom(rng.choice([0, 1, 100, 5000, 70_000]))
        bodies[stream], sent[stream], received[stream] = body, 0, b""
        headers = [
            (":method", "POST"), (":scheme", "http"), (":authority", "h2.test"), (":path", "/echo"),
            ("content-type", "application/octet-stream"), ("x-padding", "p" * rng.randrange(2000)),
        ]
        if rng.random() < 0.5:
            headers.append(("content-length", str(len(body))))
        connection.send_headers(stream, headers, end_stream=not body, priority_weight=rng.randrange(1, 256))
        started += 1

    def push():
        for stream, body in bodies.items():
            if stream in cancelled:
                continue
            while sent[stream] < len(body):
                room = min(connection.local_flow_control_window(stream), connection.max_outbound_frame_size,
                           len(body) - sent[stream], rng.randrange(1, 20_000))
                if room <= 0:
                    break
                padding = rng.choice([None, None, 3]) if room < connection.local_flow_control_window(stream) - 10 else None
                piece = body[sent[stream]:sent[stream] + room]
                if padding is not None and room + 4 > connection.max_outbound_frame_size:
                    padding = None
                sent[stream] += room
                connection.send_data(stream, piece, end_stream=sent[stream] == len(body), pad_length=padding)

    while len(ended | cancelled) < count:
        while settings_seen and started < count and len(bodies) - len(ended | cancelled) < 40:
            start()
        push()
        if rng.random() < 0.05:
            connection.ping(os.urandom(8))
            pings += 1
        if rng.random() < 0.01 and window < 60_000:
            # Only upwards: h2 does not bear what is on its way when its own window shrinks.
            window += 1000
            connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        open_streams = [s for s in bodies if s not in ended and s not in cancelled and sent[s] < len(bodies[s])]
        if open_streams and rng.random() < 0.01 and len(cancelled) < count // 10:
            stream = rng.choice(open_streams)
            connection.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
            cancelled.add(stream)
        out = connection.data_to_send()
        if out:
            sock.sendall(out)
        data = sock.recv(65_536)
        if not data:
            raise SystemExit("the server closed the connection")
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.SettingsAcknowledged):
                settings_seen = settings_seen or h2.settings.SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings
            elif isinstance(event, h2.events.ResponseReceived):
                statuses[event.stream_id] = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                received[event.stream_id] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                stream = event.stream_id
                ended.add(stream)
                if statuses.get(stream) != "200" or received[stream] != bodies[stream]:
                    raise SystemExit(
                        f"stream {stream}: status {statuses.get(stream)}, {len(received[stream])} of {len(bodies[stream])}")
            elif isinstance(event, h2.events.StreamReset):
                if event.stream_id not in cancelled:
                    raise SystemExit(f"stream {event.stream_id} was reset: {event.error_code!r}")
            elif isinstance(event, h2.events.ConnectionTerminated):
                raise SystemExit(f"the server ended the connection: {event.error_code!r} {event.additional_data!r}")
        out = connection.data_to_send()
        if out:
            sock.sendall(out)
    print(f"{len(ended)} bodies came back, {len(cancelled)} requests were cancelled, {pings} pings")


main()
