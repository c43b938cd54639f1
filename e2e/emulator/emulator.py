"""Moto with what a deployment by the CDK needs beyond it.

Runs the AWS emulator moto 5.2.1 after mending it in memory. Each part below
mends one service and says why. Beside AWS's own APIs it answers:

    POST /emulator/authorize   decides one action of a session of a service
                               that is not emulated here, such as EKS
    GET  /emulator/decisions   every decision on an action of a role so far
    GET  /emulator/sessions/<access key>
                               whose the key is and its secrets, for what plays
                               STS towards a program that only trusts AWS's own

What it cannot do: resource policies, permissions boundaries, session policies.
"""

import datetime
import gzip
import io
import json
import re
import sys
import threading
from collections import defaultdict
from types import SimpleNamespace

import botocore.parsers
import botocore.serialize
import botocore.session
import moto.awslambda.models as awslambda
import moto.cloudwatch.models as cloudwatch
import moto.core.authorization as authorization
import moto.dynamodb.models as dynamodb
import moto.events.models as events
import moto.iam.models as iam
import moto.kms.models as kms
import moto.logs.models as logs
import moto.s3.models as s3
import moto.server
import moto.sqs.models as sqs
import moto.sqs.responses as sqs_responses
import moto.sts.responses as sts_responses
from moto.core.exceptions import AccessDeniedError, JsonRESTError
from moto.s3.exceptions import S3AccessDeniedError
from moto.secretsmanager.models import secretsmanager_backends
from moto.sqs.models import sqs_backends
from moto.sts.models import sts_backends


# --- DynamoDB ---------------------------------------------------------------

writing = threading.Lock()


def one_at_a_time(write):
    def locked(*args, **kwargs):
        with writing:
            return write(*args, **kwargs)

    return locked


# A conditional write is one step. Moto answers requests side by side, and between
# its look at the condition and its write another may have written.
for name in ("put_item", "update_item", "delete_item"):
    setattr(dynamodb.DynamoDBBackend, name, one_at_a_time(getattr(dynamodb.DynamoDBBackend, name)))


# --- EventBridge -----------------------------------------------------------

# Ref of a bus is its name; moto gives none, and the rules of the bus find no bus.
events.EventBus.physical_resource_id = property(lambda bus: bus.name)


def send_to_targets(rule, event, transform_input=True):
    """Moto's own lets disabled rules fire, drops the account on the way to a
    queue, and gives an event that is forwarded to another bus a new identity.
    EventBridge keeps it: the account and region of an event are where it began."""
    if rule.state != "ENABLED" or not rule.event_pattern.matches_event(event):
        return
    for target in rule.targets:
        _, _, service, region, account, name = target["Arn"].split(":", 5)
        if service == "events" and not account:
            continue  # the rule behind an archive, which keeps nothing here
        if "InputTransformer" in target or "Input" in target or "InputPath" in target:
            raise NotImplementedError(f"the input of rule {rule.name} is transformed")
        message = {k: v for k, v in event.items() if k != "ingestion-time"}
        if service == "sqs":
            message["time"] = rfc3339(message["time"])
            sqs_backends[account][region].send_message(name, json.dumps(message))
        elif service == "events" and name.startswith("event-bus/"):
            bus = target["Arn"]
            role = target.get("RoleArn")
            if role and not permitted(role, "events:PutEvents", [bus], region)[0]:
                continue
            for other in list(events_bus(account, region, name.removeprefix("event-bus/")).rules.values()):
                other.send_to_targets(event)
        else:
            raise NotImplementedError(f"rule {rule.name} has the target {target['Arn']}")


def events_bus(account, region, name):
    return events.events_backends[account][region].describe_event_bus(name)


def rfc3339(moment):
    if isinstance(moment, str):
        return moment
    return datetime.datetime.fromtimestamp(float(moment), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


events.Rule.send_to_targets = send_to_targets


# --- SQS -------------------------------------------------------------------
# Moto gives all messages one sender. SQS says who it was, which nobody can choose:
# the id that GetCallerIdentity answers with.


def signed_by_sender(send):
    def sent(response):
        who = session(response.headers)
        sender.id = who[0].user_id if who else sqs.DEFAULT_SENDER_ID
        try:
            return send(response)
        finally:
            del sender.id

    return sent


sender = threading.local()
create_message = sqs.Message.__init__


def create_message_of_sender(message, *args, **kwargs):
    create_message(message, *args, **kwargs)
    message.sender_id = getattr(sender, "id", sqs.DEFAULT_SENDER_ID)


sqs.Message.__init__ = create_message_of_sender
for send in ("send_message", "send_message_batch"):
    setattr(sqs_responses.SQSResponse, send, signed_by_sender(getattr(sqs_responses.SQSResponse, send)))


# --- Lambda ----------------------------------------------------------------

create_mapping = awslambda.LambdaBackend.create_event_source_mapping


def create_event_source_mapping(backend, spec):
    """Moto invokes the function, in docker, while the message is being sent. A
    runner outside polls instead, as Lambda does."""
    mapping = create_mapping(backend, spec)
    for queue in sqs_backends[backend.account_id][backend.region_name].queues.values():
        queue.lambda_event_source_mappings.clear()
    return mapping


awslambda.LambdaBackend.create_event_source_mapping = create_event_source_mapping


# --- KMS -------------------------------------------------------------------

create_key = kms.Key.create_from_cloudformation_json.__func__


def create_key_with_text_policy(cls, *args, **kwargs):
    """The policy of a key of CloudFormation stays a dict in moto, and every
    later call on the key fails with HTTP 500."""
    key = create_key(cls, *args, **kwargs)
    if isinstance(key.policy, dict):
        key.policy = json.dumps(key.policy)
    return key


kms.Key.create_from_cloudformation_json = classmethod(create_key_with_text_policy)


# --- S3 --------------------------------------------------------------------

create_bucket = s3.FakeBucket.create_from_cloudformation_json.__func__


def create_bucket_with_versions(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
    """Moto leaves VersioningConfiguration out."""
    bucket = create_bucket(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs)
    bucket.versioning_status = cloudformation_json.get("Properties", {}).get("VersioningConfiguration", {}).get("Status")
    return bucket


s3.FakeBucket.create_from_cloudformation_json = classmethod(create_bucket_with_versions)


# --- CloudWatch Logs -------------------------------------------------------

# The Arn of a log group of CloudFormation ends with :* and so covers its streams.
logs.LogGroup.get_cfn_attribute = lambda group, name: group.arn.removesuffix(":*") + ":*"


# --- CloudWatch ------------------------------------------------------------

stock_get_metric_data = cloudwatch.CloudWatchBackend.get_metric_data


def get_metric_data(backend, queries, start_time, end_time, scan_by="TimestampAscending"):
    """Moto goes through all points for each period of each query, and mixes
    namespaces. One series at a time, 600 of them take less than a second. The
    limit is that of GetMetricData."""
    if len(queries) > 500:
        raise cloudwatch.ValidationError("The collection MetricDataQueries must not have a size greater than 500.")
    if any("MetricStat" not in q for q in queries):
        return stock_get_metric_data(backend, queries, start_time, end_time, scan_by)
    series = defaultdict(list)
    for point in backend.get_all_metrics():
        series[point.namespace, point.name, frozenset((d.name, d.value) for d in point.dimensions)].append(point)
    results = []
    for query in queries:
        metric = query["MetricStat"]["Metric"]
        dimensions = frozenset((d["Name"], d["Value"]) for d in metric.get("Dimensions", []))
        points = series[metric["Namespace"], metric["MetricName"], dimensions]
        one = SimpleNamespace(get_all_metrics=lambda points=points: points)
        results += stock_get_metric_data(one, [query], start_time, end_time, scan_by)
    return results


cloudwatch.CloudWatchBackend.get_metric_data = get_metric_data


# --- IAM -------------------------------------------------------------------
# Moto checks every action against the resource "*", never looks at conditions,
# and would so refuse any role of least privilege. Here the actions of assumed
# roles are held against action, resource and condition of the role's policies.
# Static keys are the tests, which may do anything. So may the roles of the CDK's
# bootstrap: what a deployer needs is not what is deployed.

BOOTSTRAP = "cdk-hnb659fds-"
# Where the name that requests are signed for, or the name of the call, is not
# the one that IAM uses ("Service authorization reference").
SERVICES = {"monitoring": "cloudwatch"}
ACTIONS = {"sqs:DeleteMessageBatch": "sqs:DeleteMessage", "sqs:SendMessageBatch": "sqs:SendMessage"}

put_policy = iam.Role.put_policy
# A policy of CloudFormation stays a dict in moto, which the API then answers with
# as Python prints it.
iam.Role.put_policy = lambda role, name, policy: put_policy(role, name, json.dumps(policy) if isinstance(policy, dict) else policy)

decisions = []
deciding = threading.Lock()


def as_list(value):
    return value if isinstance(value, list) else [value]


def matches(patterns, value, ignore_case=False):
    """Whether one of the patterns, with * and ?, is the whole value."""
    wild = {"*": ".*", "?": "."}
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return any(re.fullmatch("".join(wild.get(c) or re.escape(c) for c in p), value, flags) for p in as_list(patterns))


def conditions_hold(statement, context):
    for operator, wanted in (statement.get("Condition") or {}).items():
        for key, values in wanted.items():
            have = context.get(key.lower())
            if operator in ("StringEquals", "ArnEquals"):
                holds = have is not None and (have in as_list(values) if operator == "StringEquals" else matches(values, have))
            elif operator in ("StringLike", "ArnLike"):
                holds = have is not None and matches(values, have)
            elif operator == "ForAllValues:StringEquals":
                holds = set(as_list(have or [])) <= set(as_list(values))
            elif operator == "Null":
                holds = (have is None) == (str(values).lower() == "true")
            else:
                raise NotImplementedError(f"condition {operator}")
            if not holds:
                return False
    return True


def applies(statement, action, resource, context):
    return matches(statement["Action"], action, True) and matches(statement["Resource"], resource) and conditions_hold(statement, context)


def role_of(arn):
    account, name = arn.split(":")[4], arn.split("/")[-1]
    return iam.iam_backends[account]["aws"].get_role(name)


def policies(arn):
    role = role_of(arn)
    for document in role.policies.values():
        yield json.loads(document)
    for policy in role.managed_policies.values():
        yield json.loads(next(v.document for v in policy.versions.values() if v.is_default))


def permitted(role, action, resources, region, conditions=None):
    """Whether the role may do the action to all resources, and to which not.
    Explicit denial wins ("Policy evaluation logic", IAM user guide). conditions
    are further condition keys, such as the service's own, with the values that the
    request has for them."""
    context = {"aws:requestedregion": region, "aws:principalarn": role, "aws:principalaccount": role.split(":")[4]}
    context |= {key.lower(): value[0] if len(value) == 1 else value for key, value in (conditions or {}).items()}
    for resource in resources:
        about = context | ({"aws:resourceaccount": resource.split(":")[4]} if resource.startswith("arn:") else {})
        effects = {s["Effect"] for d in policies(role) for s in as_list(d["Statement"]) if applies(s, action, resource, about)}
        allowed = effects == {"Allow"}
        with deciding:
            decisions.append({"role": role.split("/")[-1], "action": action, "resource": resource, "allowed": allowed})
        if not allowed:
            return False, resource
    return True, None


def session(headers):
    """The assumed role behind a signed request, with the region and service it
    was signed for; nothing for static keys."""
    signed = re.search(r"Credential=(ASIA[^/]+)/[0-9]+/([^/]+)/([^/]+)/", headers.get("Authorization", ""))
    if not signed:
        return None
    return assumed(signed[1]), signed[2], signed[3]


def assumed(access_key):
    for account in list(sts_backends):
        found = sts_backends[account]["aws"].get_assumed_role_from_access_key(access_key)
        if found:
            return found
    raise AccessDeniedError(user_arn=access_key, action="any action: nobody was given this key")


def resources_of(response, service, region, account):
    """The ARNs that a request is about; "*" where IAM knows none."""
    if response.headers.get("X-Amz-Target"):
        body = response.body if isinstance(response.body, dict) else json.loads(response.body or "{}")
    else:
        body = {k: v[0] for k, v in (response.querystring or {}).items()}

    def arn(kind, name):
        return name if name.startswith("arn:") else f"arn:aws:{service}:{region}:{account}:{kind}{name}"

    if service == "sqs" and (queue := body.get("QueueUrl") or body.get("QueueName")):
        return [arn("", queue.split("/")[-1])]
    if service == "dynamodb" and "TableName" in body:
        index = f"/index/{body['IndexName']}" if body.get("IndexName") else ""
        return [arn("table/", body["TableName"]) + index]
    if service == "events" and "Entries" in body:
        return sorted({arn("event-bus/", e.get("EventBusName") or "default") for e in body["Entries"]})
    if service == "secretsmanager" and "SecretId" in body:
        return [secretsmanager_backends[account][region].describe_secret(body["SecretId"]).arn]
    if service == "ssm" and body.get("Name", "").startswith("/aws/service/"):
        return [f"arn:aws:ssm:{region}::parameter{body['Name']}"]  # AWS's own, of no account
    if service == "ssm" and "Name" in body:
        return [arn("parameter/", body["Name"].removeprefix("/"))]
    if service == "logs" and "logGroupName" in body:
        return [arn("log-group:", body["logGroupName"]) + ":log-stream:" + body.get("logStreamName", "")]
    if service in ("sns", "sts"):
        return [body.get("TopicArn") or body.get("RoleArn") or "*"]
    return ["*"]


def authorize(response, request_class, resource="*"):
    who = session(response.headers)
    if who is None:
        return
    by, region, signed_for = who
    if BOOTSTRAP in by.role_arn:
        return
    service = SERVICES.get(signed_for, signed_for)
    action = f"{service}:{response._get_action()}"
    action = ACTIONS.get(action, action)
    if action == "sts:GetCallerIdentity":
        return  # needs no permission (IAM user guide)
    account = by.role_arn.split(":")[4]
    resources = [resource] if service == "s3" else resources_of(response, service, region, account)
    ok, refused = permitted(by.role_arn, action, resources, region)
    if ok and action == "s3:GetObject" and not exists(resource):
        # Without the right to list, a missing object is denied (GetObject, API reference).
        ok, refused = permitted(by.role_arn, "s3:ListBucket", [resource.split("/")[0]], region)
    if ok:
        return
    message = f"User: {by.arn} is not authorized to perform: {action} on resource: {refused} because no identity-based policy allows the {action} action"
    if service == "s3":
        raise S3AccessDeniedError()
    if response.headers.get("X-Amz-Target"):
        raise JsonRESTError("AccessDeniedException", message)
    raise AccessDeniedError(user_arn=by.arn, action=action)


def exists(object_arn):
    bucket, key = object_arn.split(":::")[1].split("/", 1)
    account = next((a for a in s3.s3_backends if bucket in s3.s3_backends[a]["aws"].buckets), None)
    return account is not None and s3.s3_backends[account]["aws"].get_object(bucket, key) is not None


stock_assume_role = sts_responses.TokenResponse.assume_role


def assume_role(response):
    """Moto gives out sessions of roles that do not exist, to anybody. A session
    gets another role only if that one trusts it."""
    who = session(response.headers)
    if who and BOOTSTRAP not in who[0].role_arn:
        role, by = response.querystring["RoleArn"][0], who[0].role_arn
        root = f"arn:aws:iam::{by.split(':')[4]}:root"
        context = {"aws:principalarn": by, "aws:principalaccount": by.split(":")[4]}
        trust = json.loads(role_of(role).assume_role_policy_document)
        if not any(
            s["Effect"] == "Allow" and {by, root} & set(as_list(s["Principal"].get("AWS", []))) and conditions_hold(s, context)
            for s in as_list(trust["Statement"])
        ):
            raise AccessDeniedError(user_arn=who[0].arn, action="sts:AssumeRole")
    return stock_assume_role(response)


authorization.ActionAuthenticatorMixin._authenticate_and_authorize_action = authorize
sts_responses.TokenResponse.assume_role = assume_role


# --- HTTP ------------------------------------------------------------------
# The AWS SDK for Go speaks rpc-v2-cbor to CloudWatch, which moto answers with 404,
# and compresses requests above 10 KB, which moto cannot read. Both are translated
# here to what moto knows, JSON.

RPC = re.compile(r"/service/([^/]+)/operation/([^/]+)")
MODELS = {"GraniteServiceVersion20100801": "cloudwatch"}
models = botocore.session.get_session()
serializer = botocore.serialize.RpcV2CBORSerializer()
parser = botocore.parsers.RpcV2CBORParser(timestamp_parser=float)


def from_cbor(body):
    value = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}
    return json.dumps(value, default=lambda moment: moment.timestamp()).encode()


def shaped(value, shape):
    """A value of JSON as the Python type that its shape has in CBOR."""
    if shape.type_name == "structure":
        return {k: shaped(value[k], m) for k, m in shape.members.items() if value.get(k) is not None}
    if shape.type_name == "list":
        return [shaped(v, shape.member) for v in value]
    if shape.type_name == "map":
        return {k: shaped(v, shape.value) for k, v in value.items()}
    if shape.type_name == "timestamp":
        return datetime.datetime.fromtimestamp(float(value), datetime.timezone.utc)
    cast = {"double": float, "float": float, "integer": int, "long": int}.get(shape.type_name)
    return cast(value) if cast else value


def to_cbor(service, operation, status, body):
    answer, out = json.loads(body or b"{}"), bytearray()
    if not status.startswith("2"):
        # An error is a map of two texts; the serializer only knows modelled shapes.
        out += b"\xa2"
        for key, text in (("__type", answer.get("__type", "InternalFailure")), ("message", answer.get("message", ""))):
            out += bytes([0x60 + len(key)]) + key.encode() + b"\x79" + len(text.encode()).to_bytes(2, "big") + text.encode()
        return bytes(out)
    shape = models.get_service_model(MODELS[service]).operation_model(operation).output_shape
    if shape is None:
        return b"\xa0"
    serializer._serialize_data_item(out, shaped(answer, shape), shape)
    return bytes(out)


class Edge:
    """The front of moto's WSGI application."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path.startswith("/emulator/"):
            return self.own(path, environ, start_response)
        if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
            del environ["HTTP_CONTENT_ENCODING"]
            self.put_body(environ, gzip.decompress(self.body(environ)))
        if rpc := RPC.fullmatch(path):
            return self.rpc(environ, start_response, *rpc.groups())
        return self.application(environ, start_response)

    def rpc(self, environ, start_response, service, operation):
        self.put_body(environ, from_cbor(self.body(environ)))
        environ.update(PATH_INFO="/", REQUEST_URI="/", RAW_URI="/", CONTENT_TYPE="application/x-amz-json-1.0", HTTP_X_AMZ_TARGET=f"{service}.{operation}")
        said = {}
        body = b"".join(self.application(environ, lambda status, headers, _=None: said.update(status=status)))
        return self.answer(start_response, said["status"], to_cbor(service, operation, said["status"], body), "application/cbor")

    def own(self, path, environ, start_response):
        if path == "/emulator/decisions":
            with deciding:
                answer = json.dumps(decisions)
        elif path.startswith("/emulator/sessions/"):
            role = assumed(path.split("/")[-1])
            answer = json.dumps({"arn": role.arn, "secret": role.secret_access_key, "token": role.session_token})
        else:
            asked = json.loads(self.body(environ))
            role = assumed(asked["accessKey"]).role_arn
            answer = json.dumps({"allowed": permitted(role, asked["action"], [asked["resource"]], asked["region"], asked.get("conditions"))[0]})
        return self.answer(start_response, "200 OK", answer.encode(), "application/json")

    @staticmethod
    def body(environ):
        return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))

    @staticmethod
    def put_body(environ, body):
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})

    @staticmethod
    def answer(start_response, status, body, content_type):
        start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body))), ("smithy-protocol", "rpc-v2-cbor")])
        return [body]


application = moto.server.DomainDispatcherApplication
moto.server.DomainDispatcherApplication = lambda *args, **kwargs: Edge(application(*args, **kwargs))

if __name__ == "__main__":
    moto.server.main(sys.argv[1:])
