#!/usr/bin/env python3
"""Writes Tests/XDSTests/unsupported-fields.txt: every field of Envoy's that Protos/selection.txt leaves out, set in turn in the
smallest bootstrap that reaches it. One line each: the field's path, the bootstrap as JSON, and, where the field stands inside
of a listener or a cluster, that resource's type and bytes (base64). Needs `pip install xds-protos`."""
import base64
import importlib
import json
import pathlib
import pkgutil
import re
import sys

from google.protobuf import descriptor_pool, json_format, wrappers_pb2  # noqa: F401
from google.protobuf.descriptor import FieldDescriptor

import envoy

root = pathlib.Path(__file__).resolve().parent.parent
selection = {}
for line in (root / "Protos/selection.txt").read_text().splitlines():
    line = line.split("#")[0].strip()
    if line:
        name, fields = line.split(":", 1)
        selection[name] = set(fields.split())

# Fields of the subset that the proxy does not heed.
ignored = re.findall(r'"(envoy[\w.]+)": \[(.*?)\]', (root / "Sources/XDS/IgnoredFields.swift").read_text(), re.S)
for name, fields in ignored:
    selection[name] -= set(re.findall(r'"(\w+)"', fields))

# The modules of the messages we know, and nothing else: importing a module registers its messages.
for module in pkgutil.walk_packages(envoy.__path__, "envoy."):
    if module.name.endswith("_pb2"):
        stem = ".".join(module.name.split(".")[:-1])
        if any(name.startswith(stem + ".") for name in selection):
            importlib.import_module(module.name)
pool = descriptor_pool.Default()

# What may stand in an Any: the field that holds it -> packages of the messages.
ANY = {
    "envoy.config.listener.v3.Filter.typed_config": ["envoy.extensions.filters.network."],
    "envoy.config.listener.v3.ListenerFilter.typed_config": ["envoy.extensions.filters.listener."],
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter.typed_config": ["envoy.extensions.filters.http."],
    "envoy.config.core.v3.TransportSocket.typed_config": ["envoy.extensions.transport_sockets."],
    "envoy.config.accesslog.v3.AccessLog.typed_config": ["envoy.extensions.access_loggers."],
    "envoy.config.cluster.v3.Cluster.typed_extension_protocol_options": ["envoy.extensions.upstreams."],
}
CONFIGURATIONS = {
    "HttpConnectionManager", "TcpProxy", "RBAC", "Router", "HTTPFault", "Cors", "FilterConfig", "TlsInspector", "HttpInspector",
    "OriginalDst", "DownstreamTlsContext", "UpstreamTlsContext", "FileAccessLog", "StdoutAccessLog", "StderrAccessLog",
    "HttpProtocolOptions",
}


def inner(field):
    """The message type of a field's values; None for scalars."""
    if field.type != FieldDescriptor.TYPE_MESSAGE:
        return None
    if field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        return value.message_type
    return field.message_type


def is_map(field):
    return field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type.GetOptions().map_entry


def repeated(field):
    return field.is_repeated


def scalar(field):
    if field.type in (FieldDescriptor.TYPE_STRING,):
        return "x"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "eA=="
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_ENUM:
        return field.enum_type.values[-1].name
    return 1


WELL_KNOWN = {
    "google.protobuf.Duration": "1s", "google.protobuf.Timestamp": "2024-01-01T00:00:00Z", "google.protobuf.BoolValue": True,
    "google.protobuf.UInt32Value": 1, "google.protobuf.UInt64Value": 1, "google.protobuf.DoubleValue": 1,
    "google.protobuf.StringValue": "x", "google.protobuf.Any": {"@type": "type.googleapis.com/google.protobuf.BoolValue", "value": True},
    "google.protobuf.Struct": {"a": 1}, "google.protobuf.Value": 1, "google.protobuf.ListValue": [1],
}


def value(field):
    """Something to set the field to."""
    kind = inner(field)
    if is_map(field):
        entry = field.message_type.fields_by_name["value"]
        one = WELL_KNOWN.get(kind.full_name, {}) if kind else scalar(entry)
        return {"x": one}
    one = WELL_KNOWN.get(kind.full_name, {}) if kind else scalar(field)
    return [one] if repeated(field) else one


def place(path, field):
    step = path + "." + field.name if path else field.name
    if is_map(field):
        return step + '["x"]'
    return step + "[0]" if repeated(field) else step


def wrap(field, content):
    if is_map(field):
        return {field.name: {"x": content}}
    return {field.name: [content] if repeated(field) else content}


START = "envoy.config.bootstrap.v3.Bootstrap"
# message -> (path, function from content to bootstrap); breadth first, so that each has its shortest way.
found = {START: ("", lambda content: content)}
queue = [START]
while queue:
    name = queue.pop(0)
    path, around = found[name]
    for field in pool.FindMessageTypeByName(name).fields:
        if field.name not in selection.get(name, ()):
            continue
        kind = inner(field)
        if kind is None:
            continue
        if kind.full_name == "google.protobuf.Any":
            packages = ANY.get(f"{name}.{field.name}", [])
            for other in selection:
                if other.split(".")[-1] in CONFIGURATIONS and any(other.startswith(package) for package in packages):
                    if other not in found:
                        found[other] = (
                            place(path, field),
                            lambda content, field=field, around=around, other=other: around(
                                wrap(field, {"@type": "type.googleapis.com/" + other, **content})))
                        queue.append(other)
        elif kind.full_name in selection and kind.full_name not in found:
            found[kind.full_name] = (
                place(path, field), lambda content, field=field, around=around: around(wrap(field, content)))
            queue.append(kind.full_name)

resources = [("listeners", "envoy.config.listener.v3.Listener"), ("clusters", "envoy.config.cluster.v3.Cluster")]
lines = []
for name, (path, around) in found.items():
    for field in pool.FindMessageTypeByName(name).fields:
        if field.name in selection[name]:
            continue
        where = path + "." + field.name if path else field.name
        bootstrap = around({field.name: value(field)})
        words = [where, json.dumps(bootstrap, separators=(",", ":"))]
        for list_name, kind in resources:
            prefix = f"static_resources.{list_name}[0]."
            if where.startswith(prefix):
                message = json_format.ParseDict(
                    bootstrap["static_resources"][list_name][0],
                    importlib.import_module(pool.FindMessageTypeByName(kind).file.name[:-6].replace("/", ".") + "_pb2").__dict__[
                        kind.split(".")[-1]]())
                words += [kind, base64.b64encode(message.SerializeToString()).decode()]
        lines.append("\t".join(words))
target = root / "Tests/XDSTests/unsupported-fields.txt"
target.write_text("\n".join(sorted(lines)) + "\n")
print(f"{len(lines)} fields in {len(found)} messages", file=sys.stderr)
