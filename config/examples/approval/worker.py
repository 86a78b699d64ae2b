"""Reserves goods: asks Expressway for tasks of the activity, as of Step Functions.

Needs boto3. Run as many as you like, each against one process of the group.
"""

import json

import boto3

ACTIVITY = "arn:aws:states:eu-west-1:123456789012:activity:reserve"

expressway = boto3.client(
    "stepfunctions",
    endpoint_url="http://127.0.0.1:9644",
    region_name="eu-west-1",
    # Something must be there to sign with; Expressway does not look at signatures.
    aws_access_key_id="any",
    aws_secret_access_key="any",
)

while True:
    task = expressway.get_activity_task(activityArn=ACTIVITY, workerName="reserve-1")
    token = task.get("taskToken")
    if not token:
        continue  # nothing to do for a minute
    purchase = json.loads(task["input"])
    # Work that takes longer calls send_task_heartbeat(taskToken=token) at least every 30 s.
    if "sold-out" in purchase["items"]:
        expressway.send_task_failure(taskToken=token, error="OutOfStock", cause="There are none left.")
    else:
        expressway.send_task_success(taskToken=token, output=json.dumps({"shelf": "7b"}))
