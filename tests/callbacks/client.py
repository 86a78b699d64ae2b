"""Does what it is told over boto3: a JSON object a line, {"operation", "arguments"}, and its answer."""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client(
    "stepfunctions",
    endpoint_url=sys.argv[1],
    region_name="eu-west-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    # Errors are what is looked at here, so nothing is tried again.
    config=Config(retries={"total_max_attempts": 1}),
)
for line in sys.stdin:
    call = json.loads(line)
    try:
        answer = getattr(client, call["operation"])(**call["arguments"])
        answer.pop("ResponseMetadata")
    except ClientError as error:
        answer = {"class": type(error).__name__, **error.response["Error"]}
    print(json.dumps(answer, default=str), flush=True)
