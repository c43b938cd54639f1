"""Hold what the simulators answer against AWS's own API model, as botocore ships it.

Reads {"worlds": {name: url}} on standard input, where the name says what is wrong
with a world, drives every simulated operation in each through botocore, and looks
at the raw answers: unknown and missing members, wrong types, enum values,
timestamps, errors that the model does not have. Writes
{name: {"seen": {"service.Operation": [outcome, ...]}, "deviations": [...]}}.
"""

import datetime
import io
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.parsers import RpcV2CBORParser

# Errors that any operation of a service may give and that no model lists: "Common
# Error Types" of the API references, and for TooManyRequestsException what
# DescribeCluster is known to answer.
COMMON = {
    "eks": {
        "AccessDeniedException": 403,
        "InvalidSignatureException": 403,
        "TooManyRequestsException": 429,
        "UnrecognizedClientException": 403,
    },
    "cloudwatch": {
        "AccessDeniedException": (403, "AccessDenied"),
        "InvalidSignatureException": (403, "SignatureDoesNotMatch"),
        "ThrottlingException": (400, "Throttling"),
        "UnrecognizedClientException": (403, "InvalidClientTokenId"),
        "ValidationException": (400, "ValidationError"),
    },
    "sts": {
        "AccessDenied": 403,
        "InvalidClientTokenId": 403,
        "SignatureDoesNotMatch": 403,
        "Throttling": 400,
        "ValidationError": 400,
    },
}

ISO8601 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


class Json:
    """restJson1: numbers are numbers, timestamps are epoch seconds."""

    def __init__(self, response):
        self.raw = json.loads(response["body"])
        self.code = (response["headers"].get("x-amzn-errortype") or "").split(":")[0]
        self.problems = [] if response["headers"].get("content-type") == "application/json" else ["content type"]

    def body(self, _operation):
        return self.raw

    def error(self):
        return self.code, {k: v for k, v in self.raw.items() if k != "__type"}

    @staticmethod
    def scalar(shape, value):
        kind = shape.type_name
        if kind == "string":
            return isinstance(value, str)
        if kind == "boolean":
            return isinstance(value, bool)
        if isinstance(value, bool):
            return False
        if kind in ("integer", "long"):
            return isinstance(value, int)
        return isinstance(value, (int, float))

    @staticmethod
    def items(value):
        return value if isinstance(value, list) else None

    @staticmethod
    def members(value):
        return value if isinstance(value, dict) else None


class Cbor(Json):
    """Smithy RPC v2 CBOR: timestamps bear tag 1, errors their shape in __type."""

    def __init__(self, response):
        parser = RpcV2CBORParser()
        self.raw = parser.parse_data_item(parser.get_peekable_stream_from_bytes(response["body"]))
        self.code = self.raw.get("__type", "").split("#")[-1]
        self.query = response["headers"].get("x-amzn-query-error", "").split(";")[0]
        want = {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        self.problems = [k for k, v in want.items() if response["headers"].get(k) != v]

    @staticmethod
    def scalar(shape, value):
        if shape.type_name == "timestamp":
            return isinstance(value, datetime.datetime)
        if shape.type_name in ("double", "float"):
            return isinstance(value, float)
        return Json.scalar(shape, value)


class Query:
    """The query protocol: XML, every scalar is text."""

    SPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"

    def __init__(self, response):
        self.raw = ElementTree.fromstring(response["body"])
        self.problems = [] if response["headers"].get("content-type") == "text/xml" else ["content type"]

    def find(self, node, name):
        return None if node is None else node.find(self.SPACE + name)

    def body(self, operation):
        if self.raw.tag != self.SPACE + operation.name + "Response":
            self.problems.append(f"root element {self.raw.tag}")
        if not (self.find(self.find(self.raw, "ResponseMetadata"), "RequestId") is not None):
            self.problems.append("no ResponseMetadata.RequestId")
        return self.find(self.raw, operation.name + "Result")

    def error(self):
        error = self.find(self.raw, "Error")
        members = self.members(error) or {}
        if set(members) != {"Type", "Code", "Message"} or self.find(self.raw, "RequestId") is None:
            self.problems.append(f"error element holds {sorted(members)}")
        code = members.get("Code")
        return (code.text if code is not None else ""), {}

    def scalar(self, shape, node):
        text = node.text or ""
        if len(node):
            return False
        return {
            "timestamp": lambda: bool(ISO8601.match(text)),
            "integer": lambda: text.lstrip("-").isdigit(),
            "boolean": lambda: text in ("true", "false"),
        }.get(shape.type_name, lambda: True)()

    def items(self, node):
        return list(node)

    def members(self, node):
        return None if node is None else {c.tag.removeprefix(self.SPACE): c for c in node}


PROTOCOLS = {"eks": Json, "cloudwatch": Cbor, "sts": Query}


def walk(shape, value, path, wire, out):
    """Compare a decoded value with its shape."""
    if value is None:
        return
    kind = shape.type_name
    if kind == "structure":
        members = wire.members(value)
        if members is None:
            out.append(f"{path}: want a structure")
            return
        known = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        out.extend(f"{path}.{n}: missing" for n in shape.required_members if n not in members)
        for name, member in members.items():
            if name not in known:
                out.append(f"{path}.{name}: not in the model")
                continue
            walk(known[name], member, f"{path}.{name}", wire, out)
    elif kind == "list":
        items = wire.items(value)
        if items is None:
            out.append(f"{path}: want a list")
            return
        for i, item in enumerate(items):
            walk(shape.member, item, f"{path}[{i}]", wire, out)
    elif kind == "map":
        members = wire.members(value)
        if members is None:
            out.append(f"{path}: want a map")
            return
        for name, member in members.items():
            walk(shape.value, member, f"{path}.{name}", wire, out)
    elif not wire.scalar(shape, value):
        out.append(f"{path}: {value!r} is no {kind}")
    elif kind == "string" and shape.enum and getattr(value, "text", value) not in shape.enum:
        out.append(f"{path}: {value!r} is not one of {shape.enum}")


def only_cbor(loader):
    """Leave CloudWatch's model one protocol: botocore would rather speak JSON,
    which the SDK under test does not."""
    load = loader.load_service_model

    def load_service_model(service_name, *args, **kwargs):
        model = load(service_name, *args, **kwargs)
        if service_name == "cloudwatch" and "metadata" in model:
            model["metadata"]["protocols"] = ["smithy-rpc-v2-cbor"]
        return model

    loader.load_service_model = load_service_model


class World:
    """One endpoint, and what was seen of it."""

    def __init__(self, url):
        self.session = botocore.session.get_session()
        only_cbor(self.session.get_component("data_loader"))
        self.session.set_credentials("AKIAHOME000000000000", "simulated")
        self.url, self.seen, self.deviations = url, {}, []
        self.clients = {}

    def client(self, service, region):
        if (service, region) in self.clients:
            return self.clients[service, region]
        config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        client = self.session.create_client(service, region_name=region, endpoint_url=self.url, config=config)
        client.meta.events.register(f"before-parse.{service}", self.look)
        self.clients[service, region] = client
        return client

    def look(self, operation_model, response_dict, **_):
        service = operation_model.service_model.service_name
        name = f"{service}.{operation_model.name}"
        out = []
        try:
            wire = PROTOCOLS[service](response_dict)
            outcome = self.judge(service, operation_model, response_dict["status_code"], wire, out)
            out.extend(f"wrong {p}" for p in wire.problems)
        except Exception as broken:  # whatever cannot be decoded deviates
            outcome = "unreadable"
            out.append(f"{type(broken).__name__}: {broken}")
        self.seen.setdefault(name, set()).add(outcome)
        self.deviations += [f"{name} ({outcome}): {o}" for o in out]

    def judge(self, service, operation, status, wire, out):
        if status < 300:
            if status != operation.http.get("responseCode", 200):
                out.append(f"status {status}")
            walk(operation.output_shape, wire.body(operation), "output", wire, out)
            return "ok"
        code, members = wire.error()
        for shape in operation.error_shapes:
            declared = shape.metadata.get("error", {})
            # The query protocol sends an error's code, the others its shape.
            if code != (declared.get("code", shape.name) if wire.__class__ is Query else shape.name):
                continue
            self.expect(status, declared.get("httpStatusCode"), "status", out)
            if isinstance(wire, Cbor):
                self.expect(wire.query, declared.get("code", shape.name), "x-amzn-query-error", out)
                members.pop("__type", None)
            walk(shape, members, "error", wire, out)
            return code
        common = COMMON[service].get(code)
        if common is None:
            out.append(f"error {code!r} is neither modelled nor common")
        elif isinstance(wire, Cbor):
            self.expect((status, wire.query), common, "status and x-amzn-query-error", out)
        else:
            self.expect(status, common, "status", out)
        return code

    @staticmethod
    def expect(got, want, what, out):
        if got != want:
            out.append(f"{what} is {got}, want {want}")

    def call(self, service, region, operation, **parameters):
        """Call one operation; errors of the service are what look is for."""
        client = self.client(service, region)
        try:
            return getattr(client, operation)(**parameters)
        except botocore.exceptions.ClientError:
            return {}
        except botocore.exceptions.BotoCoreError as e:
            self.deviations.append(f"{service}.{operation}: botocore cannot read it: {e}")
            return {}
        except Exception as e:  # botocore's parsers raise what they meet
            self.deviations.append(f"{service}.{operation}: botocore fails with {type(e).__name__}: {e}")
            return {}

    def drive(self, end):
        self.drive_eks()
        self.drive_cloudwatch(end)
        self.drive_sts()
        for region in ("me-south-1", "ap-east-1"):  # not opted in, denied by policy
            self.call("eks", region, "list_clusters")
            self.call("eks", region, "describe_cluster", name="payments")
            self.call("eks", region, "describe_cluster_versions")
            self.call("eks", region, "list_access_entries", clusterName="payments")
            self.call("eks", region, "describe_access_entry", clusterName="payments", principalArn="arn:aws:iam::111122223333:role/reader")
            self.call("cloudwatch", region, "get_metric_data", **metrics(end, ["payments"]))
            self.call("sts", region, "get_caller_identity")

    def drive_eks(self):
        def eks(operation, **parameters):
            return self.call("eks", "eu-west-1", operation, **parameters)

        page = eks("list_clusters", maxResults=2, include=["all"])
        eks("list_clusters", maxResults=2, nextToken=page.get("nextToken", "none"))
        eks("list_clusters", maxResults=101)
        eks("list_clusters", nextToken="none")
        eks("list_clusters", include=["ALL"])
        for name in eks("list_clusters", include=["all"]).get("clusters", []) + ["nobody", "a/b c"]:
            eks("describe_cluster", name=name)
        for name in ("payments", "on-premises", "nobody"):
            page = eks("list_access_entries", clusterName=name, maxResults=1)
            eks("list_access_entries", clusterName=name, maxResults=1, nextToken=page.get("nextToken", "none"))
            eks("list_access_entries", clusterName=name, maxResults=101)
            for principal in page.get("accessEntries", []) + ["arn:aws:iam::444455556666:role/nobody"]:
                eks("describe_access_entry", clusterName=name, principalArn=principal)
        page = eks("describe_cluster_versions", maxResults=2, includeAll=True)
        eks("describe_cluster_versions", maxResults=2, includeAll=True, nextToken=page.get("nextToken", "none"))
        for status in ("STANDARD_SUPPORT", "EXTENDED_SUPPORT", "UNSUPPORTED", "OLD"):
            eks("describe_cluster_versions", versionStatus=status)
        eks("describe_cluster_versions", defaultOnly=True, clusterType="eks", status="standard-support")
        eks("describe_cluster_versions", clusterVersions=["1.34", "1.99"])
        eks("describe_cluster_versions", maxResults=0)

    def drive_cloudwatch(self, end):
        def data(clusters, **parameters):
            return self.call("cloudwatch", "eu-west-1", "get_metric_data", **{**metrics(end, clusters), **parameters})

        everybody = ["payments", "search", "silent", "big", "on-premises", "nobody"]
        data(everybody)
        page = data(everybody, MaxDatapoints=7, ScanBy="TimestampAscending")
        data(everybody, MaxDatapoints=7, ScanBy="TimestampAscending", NextToken=page.get("NextToken", "none"))
        data(everybody, NextToken="none")
        data(["payments"] * 501)
        data(everybody, MaxDatapoints=100_801)
        data([])
        foreign = metrics(end, ["payments"])
        foreign["MetricDataQueries"][0]["AccountId"] = "444455556666"
        self.call("cloudwatch", "eu-west-1", "get_metric_data", **foreign)

    def drive_sts(self):
        def sts(operation, **parameters):
            return self.call("sts", "us-east-1", operation, **parameters)

        role = {"RoleArn": "arn:aws:iam::444455556666:role/steward-reader", "RoleSessionName": "model-check"}
        sts("get_caller_identity")
        sts("assume_role", **role, ExternalId="example-external-id")
        sts("assume_role", **role, ExternalId="wrong")
        sts("assume_role", **role, ExternalId="example-external-id", DurationSeconds=1)


def metrics(end, clusters):
    """GetMetricData for an hour of both metrics of each cluster."""
    names = ["apiserver_storage_size_bytes", "etcd_mvcc_db_total_size_in_use_in_bytes"]
    queries = [
        {
            "Id": f"q{i}_{n}",
            "MetricStat": {
                "Metric": {"Namespace": "AWS/EKS", "MetricName": name, "Dimensions": [{"Name": "ClusterName", "Value": cluster}]},
                "Period": 300,
                "Stat": "Maximum",
            },
        }
        for i, cluster in enumerate(clusters)
        for n, name in enumerate(names)
    ]
    return {"MetricDataQueries": queries, "StartTime": end - datetime.timedelta(hours=1), "EndTime": end}


def main():
    asked = json.load(sys.stdin)
    end = datetime.datetime.fromisoformat(asked["end"])
    report = {}
    for name, url in asked["worlds"].items():
        world = World(url)
        world.drive(end)
        report[name] = {"seen": {k: sorted(v) for k, v in world.seen.items()}, "deviations": sorted(set(world.deviations))}
    json.dump(report, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
