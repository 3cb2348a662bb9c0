#!/usr/bin/env python3
"""Writes trimmed .proto files for the messages and fields named in Protos/selection.txt.

The names, numbers, types and JSON names come from the descriptors of the Python package `xds-protos`
(pip install xds-protos); nothing else of the original files is carried over.
Usage: protos.py PROTOS_FOLDER SCHEMA_SWIFT
"""
import collections
import importlib
import os
import pkgutil
import sys

from google.protobuf import descriptor as d
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import duration_pb2  # noqa: F401 (fills the pool)

SCALARS = {
    d.FieldDescriptor.TYPE_DOUBLE: "double", d.FieldDescriptor.TYPE_FLOAT: "float",
    d.FieldDescriptor.TYPE_INT64: "int64", d.FieldDescriptor.TYPE_UINT64: "uint64",
    d.FieldDescriptor.TYPE_INT32: "int32", d.FieldDescriptor.TYPE_FIXED64: "fixed64",
    d.FieldDescriptor.TYPE_FIXED32: "fixed32", d.FieldDescriptor.TYPE_BOOL: "bool",
    d.FieldDescriptor.TYPE_STRING: "string", d.FieldDescriptor.TYPE_BYTES: "bytes",
    d.FieldDescriptor.TYPE_UINT32: "uint32", d.FieldDescriptor.TYPE_SFIXED32: "sfixed32",
    d.FieldDescriptor.TYPE_SFIXED64: "sfixed64", d.FieldDescriptor.TYPE_SINT32: "sint32",
    d.FieldDescriptor.TYPE_SINT64: "sint64",
}


def load_descriptors():
    """Imports the generated modules, which fills the default descriptor pool."""
    roots = ["envoy", "google.rpc", "udpa", "xds", "validate"]
    for root in roots:
        package = importlib.import_module(root)
        for module in pkgutil.walk_packages(package.__path__, root + "."):
            if module.name.endswith("_pb2") and (".v3." in module.name or "google.rpc.status" in module.name):
                try:
                    importlib.import_module(module.name)
                except Exception:  # a module of another API version may miss its own imports
                    pass
    pool = descriptor_pool.Default()
    pool.Add(contributed_peak_ewma())
    return pool


def contributed_peak_ewma():
    """The load balancing policy that Envoy keeps among its contributions, which the package leaves out."""
    file = descriptor_pb2.FileDescriptorProto(
        name="envoy/extensions/load_balancing_policies/peak_ewma/v3alpha/peak_ewma.proto",
        package="envoy.extensions.load_balancing_policies.peak_ewma.v3alpha",
        dependency=["google/protobuf/duration.proto"], syntax="proto3")
    field = file.message_type.add(name="PeakEwma").field.add(
        name="decay_time", number=1, json_name="decayTime", type_name=".google.protobuf.Duration")
    field.type, field.label = field.TYPE_MESSAGE, field.LABEL_OPTIONAL
    return file


def read_selection(path):
    selection = collections.OrderedDict()
    for number, line in enumerate(open(path), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, fields = line.partition(":")
        if name.strip() in selection:
            sys.exit(f"{path}:{number}: {name} is listed twice")
        selection[name.strip()] = fields.split()
    return selection


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_repeated(field):
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == d.FieldDescriptor.LABEL_REPEATED


def type_name(field):
    if field.message_type is not None:
        return "." + field.message_type.full_name
    if field.enum_type is not None:
        return "." + field.enum_type.full_name
    return SCALARS[field.type]


class Trimmer:
    def __init__(self, pool, selection):
        self.pool, self.selection = pool, selection
        self.files = collections.defaultdict(lambda: {"messages": [], "enums": [], "imports": set()})
        self.children = collections.defaultdict(lambda: {"messages": [], "enums": []})

    def collect(self):
        for name, fields in self.selection.items():
            message = self.pool.FindMessageTypeByName(name)
            self.place(message)
            for field in fields:
                if field not in message.fields_by_name:
                    sys.exit(f"{name} has no field {field}; it has: {' '.join(sorted(message.fields_by_name))}")
                self.reference(message, message.fields_by_name[field])

    def reference(self, message, field):
        targets = list(field.message_type.fields) if is_map(field) else [field]
        for target in targets:
            if target.message_type is not None:
                other = target.message_type
                if not other.full_name.startswith("google.protobuf.") and other.full_name not in self.selection:
                    sys.exit(f"{message.full_name}.{field.name} needs {other.full_name}, which is not selected")
            elif target.enum_type is not None:
                other = target.enum_type
                self.place(other)
            else:
                continue
            if other.file.name != message.file.name:
                self.files[message.file.name]["imports"].add(other.file.name)

    def place(self, item):
        kind = "messages" if isinstance(item, d.Descriptor) else "enums"
        parent = item.containing_type
        home = self.files[item.file.name] if parent is None else self.children[parent.full_name]
        if item not in home[kind]:
            home[kind].append(item)
        if parent is not None:
            self.place(parent)

    def write(self, folder):
        for name, content in sorted(self.files.items()):
            descriptor = self.pool.FindFileByName(name)
            out = ['syntax = "proto3";', "", f"package {descriptor.package};", ""]
            for imported in sorted(content["imports"]):
                out.append(f'import "{imported}";')
            if content["imports"]:
                out.append("")
            for enum in content["enums"]:
                out += self.enum(enum, "") + [""]
            for message in content["messages"]:
                out += self.message(message, "") + [""]
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").write("\n".join(out).rstrip() + "\n")

    def enum(self, enum, indent):
        lines = [f"{indent}enum {enum.name} {{"]
        numbers = [v.number for v in enum.values]
        if len(set(numbers)) != len(numbers):
            lines.append(f"{indent}  option allow_alias = true;")
        return lines + [f"{indent}  {v.name} = {v.number};" for v in enum.values] + [f"{indent}}}"]

    def message(self, message, indent):
        lines, inner = [f"{indent}message {message.name} {{"], indent + "  "
        for enum in self.children[message.full_name]["enums"]:
            lines += self.enum(enum, inner) + [""]
        for child in self.children[message.full_name]["messages"]:
            lines += self.message(child, inner) + [""]
        wanted = set(self.selection.get(message.full_name, []))
        done = set()
        for field in message.fields:
            if field.name not in wanted:
                continue
            oneof = field.containing_oneof
            if oneof is None or oneof.name.startswith("_"):
                lines.append(inner + self.field(field))
            elif oneof.name not in done:
                done.add(oneof.name)
                lines.append(f"{inner}oneof {oneof.name} {{")
                lines += [f"{inner}  {self.field(f)}" for f in oneof.fields if f.name in wanted]
                lines.append(inner + "}")
        return lines + [indent + "}"]

    def field(self, field):
        label = ""
        if is_map(field):
            entry = field.message_type
            kind = f"map<{type_name(entry.fields_by_name['key'])}, {type_name(entry.fields_by_name['value'])}>"
        else:
            kind = type_name(field)
            if is_repeated(field):
                label = "repeated "
            elif field.containing_oneof is not None and field.containing_oneof.name.startswith("_"):
                label = "optional "
        usual = "".join(p.capitalize() if i else p for i, p in enumerate(field.name.split("_")))
        option = "" if field.json_name == usual or field.json_name.lower() == usual.lower() \
            else f' [json_name = "{field.json_name}"]'
        return f"{label}{kind} {field.name} = {field.number}{option};"


def kind(field):
    """A field's JSON shape: s string, b bytes, n number, t truth value, e enum with its numbers, m message."""
    if field.message_type is not None:
        return "m" + field.message_type.full_name
    if field.enum_type is not None:
        return "e" + ",".join(str(number) for number in sorted({v.number for v in field.enum_type.values}))
    return {"string": "s", "bytes": "b", "bool": "t"}.get(SCALARS[field.type], "n")


def shape(field):
    if is_map(field):
        return "%" + kind(field.message_type.fields_by_name["value"])
    return ("*" if is_repeated(field) else "") + kind(field)


def write_schema(path, pool, selection):
    """Every field of the selected messages: those in use with their shape, the others by number and name."""
    with open(path, "w") as out:
        out.write("// Generated by scripts/generate-protos.sh from Protos/selection.txt. Do not edit.\n\n")
        out.write("/// A line per message: its name, then `number:name:shape` per field. Shape `-` means: Envoy has it, Martlet\n")
        out.write("/// does not honour it. `*` repeated, `%` map; s string, b bytes, n number, t truth value, e enum\n")
        out.write("/// with its numbers, m message.\n")
        out.write('let schemaText = """\n')
        for name in sorted(selection):
            words, line = [name], "    "
            for field in sorted(pool.FindMessageTypeByName(name).fields, key=lambda f: f.number):
                words.append(f"{field.number}:{field.name}:{shape(field) if field.name in selection[name] else '-'}")
            for word in words:
                if len(line) + len(word) > 116:
                    out.write(line.rstrip() + " \\\n")
                    line = "    "
                line += word + " "
            out.write(line.rstrip() + "\n")
        out.write('    """\n')


if __name__ == "__main__":
    folder, schema_path = sys.argv[1:]
    chosen = read_selection(os.path.join(folder, "selection.txt"))
    descriptors = load_descriptors()
    trimmer = Trimmer(descriptors, chosen)
    trimmer.collect()
    trimmer.write(folder)
    write_schema(schema_path, descriptors, chosen)
