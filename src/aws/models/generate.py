"""Writes services.tsv and operations.tsv beside it from botocore, whose models are AWS's own.

    pip install botocore && python generate.py

services.tsv: every service that speaks AWS JSON, and those of REST and Query below.
operations.tsv: how a REST operation spreads its members over path, query, headers and body.
"""

import os
import sys
from collections import defaultdict

import botocore.session

REST = [
    "apigatewaymanagementapi", "batch", "bedrock-agent-runtime", "bedrock-runtime", "iot-data",
    "lambda", "pipes", "rds-data", "s3", "sagemaker-runtime", "scheduler", "sesv2",
]
QUERY = ["sns", "sts"]
# One endpoint for the whole partition: its host, and the region that signatures name.
GLOBAL = {
    "budgets": "budgets.amazonaws.com@us-east-1",
    "ce": "ce.us-east-1.amazonaws.com@us-east-1",
    "health": "global.health.amazonaws.com@us-east-1",
    "iot-data": "data-ats.iot.{region}.{suffix}",
    "kendra-ranking": "kendra-ranking.{region}.api.aws",
    "organizations": "organizations.us-east-1.amazonaws.com@us-east-1",
    "shield": "shield.us-east-1.amazonaws.com@us-east-1",
    "waf": "waf.amazonaws.com@us-east-1",
}
# Members that are text to the service and mostly JSON to whoever writes them.
JSON_TEXTS = {
    "arguments", "assumerolepolicydocument", "body", "content", "dashboardbody", "data", "definition",
    "detail", "document", "eventpattern", "input", "message", "messagebody", "output", "payload",
    "policy", "policydocument", "secretstring", "templatebody", "value",
}
MARKS = {"string": "", "integer": "#", "long": "#", "double": "#", "float": "#",
              "boolean": "!", "timestamp": "@", "map": "*", "list": "+", "blob": ""}


def wire(name, shape):
    return (shape.serialization or {}).get("name", name)


def kind_of(shape):
    """A list of times, blobs or maps counts as those: what is done to them is done to each."""
    if getattr(shape, "is_document_type", False):
        return "document"
    if shape.type_name == "list" and shape.member.type_name in ("timestamp", "blob", "map"):
        return shape.member.type_name
    is_flat = shape.type_name == "list" and (shape.serialization or {}).get("flattened")
    return "flat" if is_flat else shape.type_name


def walk(shape, seen, found):
    if shape is None or shape.name in seen:
        return
    seen.add(shape.name)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if (member.serialization or {}).get("location"):
                continue
            found[wire(name, member)].add(kind_of(member))
            is_renamed = wire(name, member) != name
            found["renamed" if is_renamed else "plain"].add(wire(name, member) + ":" + name)
            if kind_of(member) != "document":
                walk(member, seen, found)
    elif shape.type_name == "list":
        walk(shape.member, seen, found)
    elif shape.type_name == "map":
        walk(shape.value, seen, found)


def sets(model, operations):
    found, seen = defaultdict(set), set()
    for name in operations:
        operation = model.operation_model(name)
        walk(operation.input_shape, seen, found)
        walk(operation.output_shape, seen, found)
    plain = {name.split(":")[0] for name in found.pop("plain", ())}
    renamed = {name for name in found.pop("renamed", ()) if name.split(":")[0] not in plain}
    names = set(found)
    upper = {name for name in names if name[0].isupper()}
    is_pascal = len(upper) * 2 >= len(names)
    odd = {n for n in (names - upper if is_pascal else upper)
           if (n[0].swapcase() + n[1:]) not in names}

    def only(kind, *beside):
        return sorted(n for n, k in found.items() if kind in k and k <= {kind, *beside})

    return {
        "casing": "pascal" if is_pascal else "camel",
        "odd": sorted(odd),
        "maps": sorted(n for n, k in found.items() if "map" in k),
        "documents": sorted(n for n, k in found.items() if "document" in k),
        "times": only("timestamp", "structure", "list", "map"),
        "blobs": only("blob"),
        "texts": [n for n in only("string") if n.lower() in JSON_TEXTS],
        "renamed": sorted(renamed),
        "lists": only("list"),
        "flat": only("flat"),
        "numbers": sorted(n for n, k in found.items() if k & {"integer", "long", "double", "float"}),
        "booleans": only("boolean"),
    }


def errors(model):
    """Codes of the errors that the model has, with their shapes where they are called otherwise."""
    found = {}
    for shape in model.error_shapes:
        code = (shape.metadata.get("error") or {}).get("code") or shape.name
        found[code if code == shape.name else code + ":" + shape.name] = None
        if code != shape.name:
            found[shape.name] = None
    return sorted(found)


def prefixes(model):
    """Operations whose host has something in front of it, where that is fixed."""
    for name in model.operation_names:
        prefix = (model.operation_model(name).endpoint or {}).get("hostPrefix", "")
        if prefix and "{" not in prefix:
            yield name + ":" + prefix


def service_line(name, model):
    data = model.metadata
    protocols = data.get("protocols") or [data["protocol"]]
    protocol = "json" if "json" in protocols else data["protocol"]
    if protocol == "json":
        protocol = "json" + data.get("jsonVersion", "1.0")
    names = sets(model, model.operation_names)
    is_xml = protocol in ("query", "rest-xml")
    columns = [
        data["serviceId"], protocol,
        GLOBAL.get(name, data["endpointPrefix"]),
        data.get("signingName") or data["endpointPrefix"],
        data.get("targetPrefix") or (data["apiVersion"] if is_xml else "-"),
        names["casing"],
    ]
    kinds = ["odd", "maps", "documents", "times", "blobs", "texts"]
    kinds += ["lists", "flat", "numbers", "booleans", "renamed"] if is_xml else []
    names["errors"], names["prefixes"] = errors(model), sorted(prefixes(model))
    kinds += ["errors", "prefixes"]
    columns += [kind + "=" + ",".join(names[kind]) for kind in kinds if names[kind]]
    return "\t".join(columns)


def places(shape, location):
    found = []
    for name, member in (shape.members.items() if shape else ()):
        place = (member.serialization or {}).get("location")
        if place in location:
            mark = MARKS[member.type_name]
            found.append(f"{name}={wire(name, member)}{mark}")
    return ",".join(found)


def is_structure(shape, member):
    return member is not None and shape.members[member].type_name == "structure"


def operation_line(service_id, operation):
    given, made = operation.input_shape, operation.output_shape
    payload = (given.serialization or {}).get("payload") if given else None
    answer = (made.serialization or {}).get("payload") if made else None
    members = given.members if given else {}
    body = [n for n, m in members.items() if not (m.serialization or {}).get("location")]
    if service_id == "S3" and (payload in given.required_members if payload else body) and (
            payload is None or is_structure(given, payload)):
        return None  # A body of XML, which nothing here writes.
    if service_id == "S3" and payload and is_structure(given, payload):
        payload = None
    paths = {n: wire(n, m) for n, m in members.items()
             if (m.serialization or {}).get("location") == "uri"}
    status = [n for n, m in (made.members.items() if made else ())
              if (m.serialization or {}).get("location") == "statusCode"]
    columns = [
        operation.name, operation.http["method"], operation.http["requestUri"],
        "path=" + ",".join(f"{n}={w}" for n, w in paths.items()),
        "query=" + places(given, ("querystring",)),
        "headers=" + places(given, ("header", "headers")),
        "payload=" + (payload or ""),
        "payload-structure=" + ("yes" if is_structure(given, payload) else ""),
        "answer-headers=" + places(made, ("header", "headers")),
        "answer=" + (answer or ""),
        "answer-structure=" + ("yes" if is_structure(made, answer) else ""),
        "status=" + "".join(status),
    ]
    return "\t".join(column for column in columns if not column.endswith("="))


def main():
    session = botocore.session.get_session()
    here = os.path.dirname(os.path.abspath(__file__))
    services, operations = [], []
    for name in session.get_available_services():
        model = session.get_service_model(name)
        data = model.metadata
        protocols = data.get("protocols") or [data["protocol"]]
        if "json" not in protocols and name not in REST + QUERY:
            continue
        services.append(service_line(name, model))
        if name in REST:
            lines = (operation_line(data["serviceId"], model.operation_model(o))
                     for o in model.operation_names)
            operations.append("# " + data["serviceId"])
            operations += sorted(line for line in lines if line)
    # API Gateway's own callers: no service of the models, but signed like one.
    services.append("Execute Api\trest-json\texecute-api\texecute-api\t-\tpascal")
    with open(os.path.join(here, "services.tsv"), "w") as out:
        out.write("\n".join(sorted(services, key=str.lower)) + "\n")
    with open(os.path.join(here, "operations.tsv"), "w") as out:
        out.write("\n".join(operations) + "\n")
    print(len(services), "services,", len(operations), "operations", file=sys.stderr)


if __name__ == "__main__":
    main()
