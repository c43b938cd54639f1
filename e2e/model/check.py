"""Hold what the simulators answer against AWS's own API model, as botocore ships it.

Reads {"worlds": {name: url}, "spoiled": {name: [old, with]}} on standard input,
drives every simulated operation in each world through botocore, and looks at the raw
answers: unknown and missing members, wrong types, enum values, timestamps, errors
that the model does not have. Then it looks once more at the answers of the first
world that have some bytes (in base64), with others in their place. Writes
{name: {"seen": {"service.Operation": [outcome, ...]}, "deviations": [...]}}.
"""

import base64
import datetime
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

import botocore.exceptions
import botocore.session
from botocore.awsrequest import HeadersDict
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
    "ec2": {
        "AuthFailure": 401,
        "InvalidInstanceType": 400,
        "InvalidLaunchTemplateId.NotFound": 400,
        "InvalidLaunchTemplateId.VersionNotFound": 400,
        "InvalidNextToken": 400,
        "InvalidParameterValue": 400,
        "InvalidSubnetID.NotFound": 400,
        "RequestExpired": 400,
        "RequestLimitExceeded": 503,
        "UnauthorizedOperation": 403,
    },
    "kms": {
        "AccessDeniedException": 400,
        "InvalidSignatureException": 400,
        "ThrottlingException": 400,
        "UnrecognizedClientException": 400,
        "ValidationException": 400,
    },
    "resourcegroupstaggingapi": {
        "AccessDeniedException": 400,
        "InvalidSignatureException": 400,
        "UnrecognizedClientException": 400,
    },
    "service-quotas": {
        "InvalidSignatureException": 400,
        "UnrecognizedClientException": 400,
    },
    "ssm": {
        "AccessDeniedException": 400,
        "InvalidSignatureException": 400,
        "ThrottlingException": 400,
        "UnrecognizedClientException": 400,
    },
    "sts": {
        "AccessDenied": 403,
        "InvalidClientTokenId": 403,
        "SignatureDoesNotMatch": 403,
        "Throttling": 400,
        "ValidationError": 400,
    },
}

# Keys of the sample fleet, and what is none.
KEYS = (
    "11111111-2222-4333-8444-555555555555",
    "22222222-3333-4444-8555-666666666666",
    "mrk-33333333333333333333333333333333",
    "44444444-5555-4666-8777-888888888888",
    "alias/payments",
    "none",
    "arn:aws:s3:::none",
    "arn:aws:kms:eu-west-1:444455556666:key/11111111-2222-4333-8444-555555555555",
)

KEY_CHANGES = ("enable_key", "disable_key", "schedule_key_deletion", "cancel_key_deletion", "schedule_key_deletion")

ISO8601 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


class Json:
    """restJson1: numbers are numbers, timestamps are epoch seconds."""

    MEDIA = "application/json"

    def __init__(self, response):
        self.raw = json.loads(response["body"])
        self.code = (response["headers"].get("x-amzn-errortype") or "").split(":")[0]
        self.problems = [] if response["headers"].get("content-type") == self.MEDIA else ["content type"]

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


class JsonRpc(Json):
    """AWS JSON 1.1: as restJson1, but errors bear their shape in __type."""

    MEDIA = "application/x-amz-json-1.1"

    def __init__(self, response):
        super().__init__(response)
        self.code = self.raw.get("__type", "").split("#")[-1]


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
    MEDIA = "text/xml"

    def __init__(self, response):
        self.raw = ElementTree.fromstring(response["body"])
        self.problems = [] if response["headers"].get("content-type") == self.MEDIA else ["content type"]

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


class EC2(Query):
    """EC2's form of the query protocol: no Result element, errors of their own."""

    SPACE = "{http://ec2.amazonaws.com/doc/2016-11-15/}"
    MEDIA = "text/xml;charset=UTF-8"

    def body(self, operation):
        if self.raw.tag != self.SPACE + operation.name + "Response":
            self.problems.append(f"root element {self.raw.tag}")
        request = self.find(self.raw, "requestId")
        if request is None:
            self.problems.append("no requestId")
        else:
            self.raw.remove(request)
        return self.raw

    def error(self):
        errors = [[e.tag for e in error] for error in self.raw.findall("Errors/Error")]
        if self.raw.tag != "Response" or errors != [["Code", "Message"]] or not self.raw.findtext("RequestID"):
            self.problems.append("error element")
        return self.raw.findtext("Errors/Error/Code") or "", {}


PROTOCOLS = {
    "eks": Json,
    "cloudwatch": Cbor,
    "sts": Query,
    "ec2": EC2,
    "kms": JsonRpc,
    "resourcegroupstaggingapi": JsonRpc,
    "service-quotas": JsonRpc,
    "ssm": JsonRpc,
}


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


# The protocol that the SDK under test speaks, where botocore would rather speak
# another one of the model's.
SPOKEN = {"cloudwatch": "smithy-rpc-v2-cbor", "resourcegroupstaggingapi": "json"}


def only_spoken(loader):
    """Leave such a service's model one protocol."""
    load = loader.load_service_model

    def load_service_model(service_name, *args, **kwargs):
        model = load(service_name, *args, **kwargs)
        if service_name in SPOKEN and "metadata" in model:
            model["metadata"]["protocols"] = [SPOKEN[service_name]]
            model["metadata"]["protocol"] = SPOKEN[service_name]
        return model

    loader.load_service_model = load_service_model


class World:
    """One endpoint, and what was seen of it."""

    def __init__(self, session, url):
        self.session = session
        self.url, self.seen, self.deviations = url, {}, []
        self.clients, self.answers = {}, []

    def client(self, service, region):
        if (service, region) in self.clients:
            return self.clients[service, region]
        config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        client = self.session.create_client(service, region_name=region, endpoint_url=self.url, config=config)
        client.meta.events.register(f"before-parse.{service}", self.look)
        self.clients[service, region] = client
        return client

    def look(self, operation_model, response_dict, **_):
        self.answers.append((operation_model, response_dict))
        self.see(operation_model, response_dict)

    def see(self, operation_model, response_dict):
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

    def spoiled(self, old, new):
        """What this world would be if its answers had other bytes in some place."""
        other = World(self.session, self.url)
        for operation_model, answer in self.answers:
            headers = {k: v.encode().replace(old, new).decode() for k, v in answer["headers"].items()}
            body = answer["body"].replace(old, new)
            if body != answer["body"] or headers != dict(answer["headers"]):
                other.see(operation_model, {"status_code": answer["status_code"], "headers": HeadersDict(headers), "body": body})
        return other

    def report(self):
        return {"seen": {k: sorted(v) for k, v in self.seen.items()}, "deviations": sorted(set(self.deviations))}

    def judge(self, service, operation, status, wire, out):
        if status < 300:
            if status != operation.http.get("responseCode", 200):
                out.append(f"status {status}")
            if operation.output_shape is None:
                self.expect(wire.body(operation), {}, "output", out)
            else:
                walk(operation.output_shape, wire.body(operation), "output", wire, out)
            return "ok"
        code, members = wire.error()
        for shape in operation.error_shapes:
            declared = shape.metadata.get("error", {})
            # The query protocol sends an error's code, the others its shape.
            if code != (declared.get("code", shape.name) if wire.__class__ is Query else shape.name):
                continue
            fault = 500 if shape.metadata.get("fault") else 400  # what JSON 1.1 does not declare
            self.expect(status, declared.get("httpStatusCode", fault), "status", out)
            if isinstance(wire, Cbor):
                self.expect(wire.query, declared.get("code", shape.name), "x-amzn-query-error", out)
                members.pop("__type", None)
            if isinstance(wire, JsonRpc):  # where the member is Message, AWS and its parsers take either spelling
                members = {n: v for n, v in members.items() if n.lower() != "message"}
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
        self.drive_access()
        self.drive_nodegroups()
        self.drive_updates()
        self.drive_cloudwatch(end)
        self.drive_sts()
        self.drive_addons_and_insights()
        self.drive_neighbours("eu-west-1")
        self.drive_encryption()
        self.drive_grants()
        self.drive_keys()
        self.drive_pages_of_neighbours()
        for region in ("me-south-1", "ap-east-1"):  # not opted in, denied by policy
            self.call("eks", region, "list_clusters")
            self.call("eks", region, "describe_cluster", name="payments")
            self.call("eks", region, "describe_cluster_versions")
            self.call("eks", region, "list_access_entries", clusterName="payments")
            self.call("eks", region, "describe_access_entry", clusterName="payments", principalArn="arn:aws:iam::111122223333:role/reader")
            self.call("eks", region, "list_nodegroups", clusterName="payments")
            for operation in ("describe_nodegroup", "create_nodegroup", "delete_nodegroup", "update_nodegroup_config", "update_nodegroup_version"):
                self.call("eks", region, operation, clusterName="payments", nodegroupName="blue")
            self.call("eks", region, "list_updates", name="payments")
            self.call("eks", region, "describe_update", name="payments", updateId="none")
            self.call("eks", region, "update_cluster_version", name="payments", version="1.35")
            self.call("eks", region, "associate_encryption_config", clusterName="payments", encryptionConfig=encryption("alias/everywhere"))
            self.call("eks", region, "create_cluster", name="new")
            for operation in ("create_access_entry", "update_access_entry", "delete_access_entry"):
                self.call("eks", region, operation, clusterName="payments", principalArn="arn:aws:iam::111122223333:role/reader")
            self.call("cloudwatch", region, "get_metric_data", **metrics(end, ["payments"]))
            self.call("cloudwatch", region, "describe_alarms")
            self.call("sts", region, "get_caller_identity")
            self.drive_neighbours(region)
            self.call("eks", region, "list_addons", clusterName="payments")
            self.call("eks", region, "describe_addon", clusterName="payments", addonName="vpc-cni")
            self.call("eks", region, "describe_addon_versions")
            self.call("eks", region, "list_insights", clusterName="payments")
            self.call("eks", region, "describe_insight", clusterName="payments", id="none")

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

    def drive_access(self):
        def eks(operation, cluster, principal, **parameters):
            return self.call("eks", "eu-west-1", operation, clusterName=cluster, principalArn=principal, **parameters)

        role, nobody = "arn:aws:iam::111122223333:role/new", "arn:aws:iam::111122223333:role/nobody"
        eks("create_access_entry", "orders", role, kubernetesGroups=["readers"], username="new", tags={"team": "orders"})
        eks("create_access_entry", "orders", role)
        eks("create_access_entry", "orders", nobody, kubernetesGroups=["system:masters"])
        eks("update_access_entry", "orders", role, kubernetesGroups=["writers"])
        eks("update_access_entry", "orders", role, kubernetesGroups=["system:masters"])
        for cluster, principal in (("orders", nobody), ("nobody", role), ("on-premises", role)):
            eks("update_access_entry", cluster, principal)
            eks("delete_access_entry", cluster, principal)
        eks("create_access_entry", "nobody", role)
        eks("create_access_entry", "on-premises", role)
        eks("delete_access_entry", "orders", role)

    def drive_nodegroups(self):
        def eks(operation, name, cluster="orders", **parameters):
            return self.call("eks", "eu-west-1", operation, clusterName=cluster, nodegroupName=name, **parameters)

        def listed(cluster, **parameters):
            return self.call("eks", "eu-west-1", "list_nodegroups", clusterName=cluster, **parameters)

        needed = {"subnets": ["subnet-00000000000000000"], "nodeRole": "arn:aws:iam::111122223333:role/nodes"}
        eks("create_nodegroup", "new", **needed, tags={"team": "orders"}, labels={"a": "b"})
        eks("create_nodegroup", "new", **needed)
        eks("create_nodegroup", "wrong", **needed, version="1.30")
        eks("create_nodegroup", "lost", cluster="nobody", **needed)
        eks("create_nodegroup", "early", cluster="upgrading", **needed)
        for number in range(30):
            eks("create_nodegroup", f"more{number}", **needed)
        page = listed("orders", maxResults=1)
        listed("orders", maxResults=1, nextToken=page.get("nextToken", "none"))
        listed("orders", nextToken="none")
        listed("nobody")
        for name in listed("orders").get("nodegroups", []) + ["nobody"]:
            eks("describe_nodegroup", name)
        eks("describe_nodegroup", "blue", cluster="nobody")
        eks("update_nodegroup_config", "blue", scalingConfig={"maxSize": 0})
        eks("update_nodegroup_config", "blue", scalingConfig={"minSize": 1, "maxSize": 4, "desiredSize": 2})
        eks("update_nodegroup_config", "blue", scalingConfig={"desiredSize": 3})
        eks("update_nodegroup_config", "nobody", scalingConfig={"desiredSize": 3})
        eks("delete_nodegroup", "own")
        eks("delete_nodegroup", "own")
        eks("update_nodegroup_version", "old", version="1.99")
        eks("update_nodegroup_version", "old", version="1.34", releaseVersion="1.34.2-20261101", launchTemplate={"id": "lt-a", "version": "2"})
        eks("update_nodegroup_version", "old", version="1.34")
        eks("update_nodegroup_version", "blue", cluster="upgrading", version="1.34")
        eks("update_nodegroup_version", "nobody", version="1.34")
        eks("delete_nodegroup", "nobody")

    def drive_updates(self):
        def eks(operation, name="orders", **parameters):
            return self.call("eks", "eu-west-1", operation, name=name, **parameters)

        eks("update_cluster_version", version="1.99")
        eks("update_cluster_version", name="recent", version="1.34")
        eks("update_cluster_version", name="unready", version="1.35")
        eks("update_cluster_version", name="settled", version="1.34")
        eks("update_cluster_version", version="1.35")
        eks("update_cluster_version", version="1.35")
        eks("update_cluster_version", name="nobody", version="1.35")
        page = eks("list_updates", name="upgrading", maxResults=1)
        eks("list_updates", name="upgrading", maxResults=1, nextToken=page.get("nextToken", "none"))
        eks("list_updates", nextToken="none")
        eks("list_updates", name="nobody")
        for name in ("orders", "upgrading"):
            for update in eks("list_updates", name=name).get("updateIds", []):
                eks("describe_update", name=name, updateId=update)
        for group in ("blue", "old"):
            for update in eks("list_updates", nodegroupName=group).get("updateIds", []):
                eks("describe_update", updateId=update, nodegroupName=group)
        eks("describe_update", updateId="nobody")

    def drive_encryption(self):
        def eks(operation, **parameters):
            return self.call("eks", "eu-west-1", operation, **parameters)

        for name, key in (("plain", "none"), ("plain", "alias/everywhere"), ("plain", "alias/everywhere"), ("payments", "alias/everywhere"), ("on-premises", "none"), ("nobody", "none")):
            eks("associate_encryption_config", clusterName=name, encryptionConfig=encryption(key))
        for update in eks("list_updates", name="plain").get("updateIds", []):
            eks("describe_update", name="plain", updateId=update)
        needed = {"roleArn": "arn:aws:iam::111122223333:role/eks-cluster", "resourcesVpcConfig": {"subnetIds": ["subnet-0", "subnet-1"]}}
        eks("create_cluster", name="new", **needed, encryptionConfig=encryption("none"))
        eks("create_cluster", name="new", **needed, encryptionConfig=encryption("alias/everywhere"), tags={"team": "new"})
        eks("create_cluster", name="new", **needed)
        eks("describe_cluster", name="new")

    def drive_grants(self):
        def kms(operation, key, **parameters):
            return self.call("kms", "eu-west-1", operation, KeyId=key, **parameters)

        key = "mrk-33333333333333333333333333333333"
        grant = {"GranteePrincipal": "arn:aws:iam::111122223333:role/nodes", "Operations": ["Decrypt"]}
        context = {"EncryptionContextSubset": {"team": "new"}, "EncryptionContextEquals": {"team": "new"}}
        made = [kms("create_grant", key, **grant, Name=name, Constraints=context) for name in ("first", "second")]
        for other in KEYS:
            kms("create_grant", other, **grant)
            kms("list_grants", other)
        kms("create_grant", key)
        kms("disable_key", key)
        kms("create_grant", key, **grant)
        kms("enable_key", key)
        kms("list_grants", key, Marker=kms("list_grants", key, Limit=1).get("NextMarker", "none"))
        kms("list_grants", key, Marker="none")
        kms("list_grants", key, Limit=101)
        for _ in range(2):
            kms("revoke_grant", key, GrantId=made[0].get("GrantId", "none"))
            self.call("kms", "eu-west-1", "retire_grant", GrantToken=made[1].get("GrantToken", "none"))
            kms("retire_grant", key, GrantId="none")

    def drive_addons_and_insights(self):
        def eks(operation, **parameters):
            return self.call("eks", "eu-west-1", operation, **parameters)

        for name in ("payments", "on-premises", "nobody"):
            page = eks("list_addons", clusterName=name, maxResults=1)
            eks("list_addons", clusterName=name, nextToken=page.get("nextToken", "none"))
            eks("list_addons", clusterName=name, maxResults=0)
            for addon in eks("list_addons", clusterName=name).get("addons", []) + ["nothing"]:
                eks("describe_addon", clusterName=name, addonName=addon)
            page = eks("list_insights", clusterName=name, maxResults=1)
            eks("list_insights", clusterName=name, nextToken=page.get("nextToken", "none"))
            eks("list_insights", clusterName=name, maxResults=0)
            eks("list_insights", clusterName=name, filter={"statuses": ["ERROR"], "categories": ["UPGRADE_READINESS"], "kubernetesVersions": ["1.35"]})
            for insight in eks("list_insights", clusterName=name).get("insights", []) + [{"id": "none"}]:
                eks("describe_insight", clusterName=name, id=insight["id"])
        page = eks("describe_addon_versions", maxResults=2)
        eks("describe_addon_versions", maxResults=2, nextToken=page.get("nextToken", "none"))
        eks("describe_addon_versions", kubernetesVersion="1.35", addonName="vpc-cni", owners=["aws"], types=["networking"])
        eks("describe_addon_versions", maxResults=101)

    def drive_neighbours(self, region):
        """Each operation of EC2, KMS, the tagging API, Service Quotas and Systems Manager once."""
        self.call("ec2", region, "describe_subnets")
        self.call("ec2", region, "get_ebs_encryption_by_default")
        self.call("ec2", region, "get_ebs_default_kms_key_id")
        for template, versions in (("lt-00000000000000000", ["1", "$Latest"]), ("lt-00000000000000000", ["9"]), ("lt-0aaaaaaaaaaaaaaaa", ["2"]), ("none", ["1"])):
            self.call("ec2", region, "describe_launch_template_versions", LaunchTemplateId=template, Versions=versions)
        for templates in ([], ["none"]):
            self.call("ec2", region, "describe_launch_templates", LaunchTemplateIds=templates)
        for instance in ("m7g.large", "none"):
            self.call("ec2", region, "describe_instance_types", InstanceTypes=[instance])
        self.call("kms", region, "list_aliases")
        for operation in ("describe_key", "get_key_rotation_status", "list_resource_tags", "get_key_policy", "list_grants", "create_grant", "revoke_grant", "retire_grant") + KEY_CHANGES:
            self.call("kms", region, operation, KeyId="11111111-2222-4333-8444-555555555555")
        for parameter in ("/eks-steward/kill-switch", "none"):
            self.call("ssm", region, "get_parameter", Name=parameter, WithDecryption=True)
        for calendar in ("changes", "holidays", "none"):
            self.call("ssm", region, "get_calendar_state", CalendarNames=[calendar])
        self.call("ssm", region, "get_parameter", Name=NEWEST)
        self.call("resourcegroupstaggingapi", region, "get_resources")
        for service in ("eks", "ec2"):
            self.call("service-quotas", region, "list_service_quotas", ServiceCode=service)
        self.call("service-quotas", region, "get_service_quota", ServiceCode="eks", QuotaCode="L-6D54EA21")

    def drive_keys(self):
        def kms(operation, **parameters):
            return self.call("kms", "eu-west-1", operation, **parameters)

        kms("list_aliases", Marker=kms("list_aliases", Limit=1).get("NextMarker", "none"))
        kms("list_aliases", Marker="none")
        kms("list_aliases", Limit=101)
        for key in KEYS:
            for operation in ("describe_key", "get_key_rotation_status", "list_aliases", "list_resource_tags", "get_key_policy"):
                kms(operation, KeyId=key)
        multi_region = "mrk-33333333333333333333333333333333"
        kms("schedule_key_deletion", KeyId=multi_region, PendingWindowInDays=1)
        for operation in KEY_CHANGES + ("describe_key",):  # ends with its deletion pending
            kms(operation, KeyId=multi_region)
            kms(operation, KeyId="none")
        kms("enable_key", KeyId=multi_region)
        kms("disable_key", KeyId=multi_region)
        kms("schedule_key_deletion", KeyId=multi_region)
        kms("cancel_key_deletion", KeyId=multi_region)
        kms("cancel_key_deletion", KeyId=multi_region)
        kms("list_resource_tags", KeyId=multi_region, Marker="none")

    def drive_pages_of_neighbours(self):
        def call(service, operation, **parameters):
            return self.call(service, "eu-west-1", operation, **parameters)

        for parameters in ({"SubnetIds": ["subnet-0aaaaaaaaaaaaaaaa"]}, {"SubnetIds": ["subnet-0none"]}, {"MaxResults": 1}, {"NextToken": "none"}):
            call("ec2", "describe_subnets", **parameters)
        tagging = "resourcegroupstaggingapi"
        page = call(tagging, "get_resources", ResourcesPerPage=1)
        for token in (page.get("PaginationToken") or "none", "none"):
            call(tagging, "get_resources", PaginationToken=token)
        call(tagging, "get_resources", ResourcesPerPage=101)
        call(tagging, "get_resources", TagFilters=[{"Key": "team"}], ResourceTypeFilters=["ec2:volume"])
        page = call("service-quotas", "list_service_quotas", ServiceCode="eks", MaxResults=1)
        for token in (page.get("NextToken", "none"), "none"):
            call("service-quotas", "list_service_quotas", ServiceCode="eks", NextToken=token)
        call("service-quotas", "list_service_quotas", ServiceCode="eks", MaxResults=101)
        call("service-quotas", "get_service_quota", ServiceCode="eks", QuotaCode="L-00000000")

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
        vcpus = metrics(end, ["payments"])
        vcpus["MetricDataQueries"][0]["MetricStat"]["Metric"] = VCPUS
        self.call("cloudwatch", "eu-west-1", "get_metric_data", **vcpus)
        self.drive_alarms()

    def drive_alarms(self):
        def alarms(**parameters):
            return self.call("cloudwatch", "eu-west-1", "describe_alarms", **parameters)

        page = alarms(MaxRecords=1)
        alarms(MaxRecords=1, NextToken=page.get("NextToken", "none"))
        alarms(AlarmNames=["errors", "none"], AlarmTypes=["MetricAlarm"])
        alarms(NextToken="none")
        alarms(MaxRecords=101)

    def drive_sts(self):
        def sts(operation, **parameters):
            return self.call("sts", "us-east-1", operation, **parameters)

        role = {"RoleArn": "arn:aws:iam::444455556666:role/steward-reader", "RoleSessionName": "model-check"}
        sts("get_caller_identity")
        sts("assume_role", **role, ExternalId="example-external-id")
        sts("assume_role", **role, ExternalId="wrong")
        sts("assume_role", **role, ExternalId="example-external-id", DurationSeconds=1)


# The parameter of the newest image, and the metric of the vCPUs in use.
NEWEST = "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/release_version"
VCPUS = {
    "Namespace": "AWS/Usage",
    "MetricName": "ResourceCount",
    "Dimensions": [
        {"Name": name, "Value": value}
        for name, value in (("Service", "EC2"), ("Type", "Resource"), ("Resource", "vCPU"), ("Class", "Standard/OnDemand"))
    ],
}


def encryption(key):
    """What puts a key on a cluster."""
    return [{"resources": ["secrets"], "provider": {"keyArn": key}}]


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
    worlds = {}
    session = botocore.session.get_session()  # one for all: EC2's model takes a second to read
    only_spoken(session.get_component("data_loader"))
    session.set_credentials("AKIAHOME000000000000", "simulated")
    for name, url in asked["worlds"].items():
        worlds[name] = World(session, url)
        worlds[name].drive(end)
    first = next(iter(worlds.values()))
    for name, (old, new) in (asked["spoiled"] or {}).items():
        worlds[name] = first.spoiled(base64.b64decode(old), base64.b64decode(new))
    json.dump({name: world.report() for name, world in worlds.items()}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
