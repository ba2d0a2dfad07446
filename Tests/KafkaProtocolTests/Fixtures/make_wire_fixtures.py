#!/usr/bin/env python3
"""Writes wire.txt: every message of our APIs at every version, encoded by kafka-python (an independent codec).

Usage: pip install kafka-python; python3 make_wire_fixtures.py > wire.txt
Line: message name, version, hex of the body without header. Values are derived from names and a counter, so that the
output is stable. Fields are filled from kafka-python's own copy of Kafka's schemas.
"""
import glob
import importlib
import os
import pkgutil
import sys

import kafka.protocol

DEFINITIONS = os.path.join(os.path.dirname(__file__), "../../../Tools/MessageGenerator/Definitions")
counter = 0


def classes():
    found = {}
    for module in pkgutil.walk_packages(kafka.protocol.__path__, "kafka.protocol."):
        if ".old" in module.name or "generate" in module.name:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and hasattr(value, "_json") and hasattr(value, "encode"):
                found[value.__name__] = value
    return found


def inside(versions, version):
    if not versions or versions == "none":
        return False
    if versions.endswith("+"):
        return version >= int(versions[:-1])
    low, _, high = versions.partition("-")
    return int(low) <= version <= int(high or low)


def sample(kind, nullable):
    global counter
    counter += 1
    if kind == "string":
        return None if nullable and counter % 3 == 0 else "text-%d" % counter
    if kind in ("bytes", "records"):
        return None if nullable and counter % 3 == 0 else bytes([counter % 251, 1, 2, 3])
    if kind == "bool":
        return counter % 2 == 0
    if kind == "int8":
        return counter % 100
    if kind == "bitfield":  # kafka-python's view of an int32 of authorised operations
        return {3, 5}
    if kind == "int16":
        return 200 + counter % 1000
    if kind == "uint16":
        return 40000 + counter % 1000
    if kind == "int32":
        return 70000 + counter
    if kind == "int64":
        return 5000000000 + counter
    if kind == "float64":
        return counter + 0.5
    if kind == "uuid":
        import uuid
        return uuid.UUID(int=(counter << 64) + 77)
    raise ValueError(kind)


def fill(struct, fields, version, common):
    out = {}
    for field in fields:
        name, kind = field["name"], field["type"]
        if not inside(field["versions"], version):
            continue
        python_name = to_snake(name)
        nullable = inside(field.get("nullableVersions", ""), version)
        array = kind.startswith("[]")
        base = kind[2:] if array else kind
        subfields = field.get("fields") or common.get(base)
        if array:
            values = []
            for _ in range(2):
                values.append(fill(None, subfields, version, common) if subfields else sample(base, False))
            out[python_name] = values
        elif subfields:
            out[python_name] = fill(None, subfields, version, common)
        else:
            out[python_name] = sample(base, nullable)
    return out


def to_snake(name):
    out = ""
    for index, character in enumerate(name):
        if character.isupper() and index and not name[index - 1].isupper():
            out += "_"
        elif character.isupper() and index and index + 1 < len(name) and name[index + 1].islower():
            out += "_"
        out += character.lower()
    return out


def build(cls, values):
    """Turns nested dictionaries into kafka-python's structs."""
    kwargs = {}
    for key, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inner = struct_class(cls, key)
            value = [build(inner, item) for item in value]
        elif isinstance(value, dict):
            value = build(struct_class(cls, key), value)
        kwargs[key] = value
    return cls(**kwargs)


def struct_class(cls, key):
    field = cls.fields[key] if isinstance(cls.fields, dict) else next(f for f in cls.fields if f.name == key)
    return field.data_class


def main():
    known = classes()
    names = []
    for path in sorted(glob.glob(DEFINITIONS + "/*.api")):
        for line in open(path):
            words = line.split()
            if words and words[0] == "api":
                names += [words[1] + "Request", words[1] + "Response"]
            elif words and words[0] == "data" and not line.startswith(" "):
                names.append(words[1])
    for name in names:
        cls = known.get(name)
        if cls is None:
            print("no class", name, file=sys.stderr)
            continue
        schema = cls._json
        common = {s["name"]: s["fields"] for s in schema.get("commonStructs", [])}
        low, _, high = schema["validVersions"].partition("-")
        for version in range(int(low), int(high or low) + 1):
            values = fill(cls, schema["fields"], version, common)
            try:
                message = build(cls, values)
                print(name, version, bytes(message.encode(version=version, header=False)).hex())
            except Exception as error:  # a version that kafka-python cannot write is left out, visibly
                print(name, version, repr(error), file=sys.stderr)


main()
