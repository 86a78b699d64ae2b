//! What each service says in its protocol, and what a state sees of it.

/// An answer of a service: status, headers, body.
pub(super) type Told = (u16, &'static [(&'static str, &'static str)], &'static str);

/// A driver, what it is told, and what its state sees.
pub(super) struct Case {
    /// Behind `arn:aws:states:::`
    pub(super) resource: &'static str,
    /// JSON text.
    pub(super) arguments: &'static str,
    /// The request lines where all goes well, and which operations they are for.
    pub(super) asks: &'static [&'static str],
    pub(super) good: Told,
    /// Where in the result something of that answer is, and what, as JSON text.
    pub(super) result: (&'static str, &'static str),
    pub(super) refusal: Told,
    pub(super) refused: &'static str,
    pub(super) throttle: Told,
    pub(super) throttled: &'static str,
    /// The client's own error.
    pub(super) unanswered: &'static str,
    /// Where nonsense is in the result, as the answer may be any text.
    pub(super) text: Option<&'static str>,
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const NONE: &[(&str, &str)] = &[];

/// An error as the services of AWS JSON have it.
macro_rules! typed {
    ($code:literal) => {
        (400, NONE, concat!("{\"__type\":\"com.amazonaws.some#", $code, "\",\"message\":\"m\"}"))
    };
}

/// As those of REST and JSON have it.
macro_rules! headed {
    ($status:literal, $code:literal) => {
        ($status, &[("x-amzn-ErrorType", concat!($code, ":http://a/"))], "{\"message\":\"m\"}")
    };
}

/// As those of XML have it.
macro_rules! tagged {
    ($status:literal, $code:literal) => {
        (
            $status,
            NONE,
            concat!(
                "<ErrorResponse><Error><Code>",
                $code,
                "</Code><Message>m</Message></Error>",
                "<RequestId>r</RequestId></ErrorResponse>"
            ),
        )
    };
}

const RUN_TASK: Case = Case {
    resource: "ecs:runTask",
    arguments: r#"{"TaskDefinition":"t"}"#,
    asks: &["POST / AmazonEC2ContainerServiceV20141113.RunTask"],
    good: (200, NONE, r#"{"tasks":[{"taskArn":"t"}],"failures":[]}"#),
    result: ("/Tasks/0/TaskArn", r#""t""#),
    refusal: typed!("ClusterNotFoundException"),
    refused: "ECS.ClusterNotFoundException",
    throttle: typed!("ThrottlingException"),
    throttled: "ECS.AmazonECSException",
    unanswered: "ECS.SdkClientException",
    text: None,
};

const START_EXECUTION: Case = Case {
    resource: "states:startExecution",
    arguments: r#"{"StateMachineArn":"arn:aws:states:us-east-1:111111111111:stateMachine:m"}"#,
    asks: &["POST / AWSStepFunctions.StartExecution"],
    good: (200, NONE, r#"{"executionArn":"e","startDate":1.5}"#),
    result: ("/ExecutionArn", r#""e""#),
    refusal: typed!("StateMachineDoesNotExist"),
    refused: "StepFunctions.StateMachineDoesNotExistException",
    throttle: typed!("ThrottlingException"),
    throttled: "StepFunctions.AWSStepFunctionsException",
    unanswered: "StepFunctions.SdkClientException",
    text: None,
};

const CREATE_MODEL: Case = Case {
    resource: "sagemaker:createModel",
    arguments: r#"{"ModelName":"m"}"#,
    asks: &["POST / SageMaker.CreateModel"],
    good: (200, NONE, r#"{"ModelArn":"m"}"#),
    result: ("/ModelArn", r#""m""#),
    refusal: typed!("ResourceLimitExceeded"),
    refused: "SageMaker.ResourceLimitExceededException",
    throttle: typed!("ThrottlingException"),
    throttled: "SageMaker.AmazonSageMakerException",
    unanswered: "SageMaker.SdkClientException",
    text: None,
};

pub(super) static CASES: &[Case] = &[
    Case {
        resource: "sqs:sendMessage",
        arguments: r#"{"QueueUrl":"q","MessageBody":"m"}"#,
        asks: &["POST / AmazonSQS.SendMessage"],
        good: (200, NONE, r#"{"MessageId":"m"}"#),
        result: ("/MessageId", r#""m""#),
        refusal: typed!("QueueDoesNotExist"),
        refused: "SQS.QueueDoesNotExistException",
        throttle: typed!("RequestThrottled"),
        throttled: "SQS.RequestThrottledException",
        unanswered: "SQS.SdkClientException",
        text: None,
    },
    Case {
        resource: "dynamodb:putItem",
        arguments: r#"{"TableName":"t","Item":{"id":{"S":"a"}}}"#,
        asks: &["POST / DynamoDB_20120810.PutItem"],
        good: (200, NONE, r#"{"Attributes":{"n":{"N":"1"}}}"#),
        result: ("/Attributes/n/N", r#""1""#),
        refusal: typed!("ConditionalCheckFailedException"),
        refused: "DynamoDB.ConditionalCheckFailedException",
        throttle: typed!("ProvisionedThroughputExceededException"),
        throttled: "DynamoDB.ProvisionedThroughputExceededException",
        unanswered: "DynamoDB.SdkClientException",
        text: None,
    },
    Case {
        resource: "aws-sdk:dynamodb:query",
        arguments: r#"{"TableName":"t"}"#,
        asks: &["POST / DynamoDB_20120810.Query"],
        good: (200, NONE, r#"{"Count":2}"#),
        result: ("/Count", "2"),
        refusal: typed!("ResourceNotFoundException"),
        refused: "DynamoDb.ResourceNotFoundException",
        throttle: typed!("ThrottlingException"),
        throttled: "DynamoDb.ThrottlingException",
        unanswered: "DynamoDb.SdkClientException",
        text: None,
    },
    Case {
        resource: "events:putEvents",
        arguments: r#"{"Entries":[{"Source":"s"}]}"#,
        asks: &["POST / AWSEvents.PutEvents"],
        good: (200, NONE, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}"#),
        result: ("/Entries/0/EventId", r#""e""#),
        refusal: typed!("ResourceNotFoundException"),
        refused: "EventBridge.ResourceNotFoundException",
        throttle: typed!("ThrottlingException"),
        throttled: "EventBridge.ThrottlingException",
        unanswered: "EventBridge.SdkClientException",
        text: None,
    },
    RUN_TASK,
    CREATE_MODEL,
    START_EXECUTION,
    Case {
        resource: "aws-sdk:secretsmanager:getSecretValue",
        arguments: r#"{"SecretId":"s"}"#,
        asks: &["POST / secretsmanager.GetSecretValue"],
        good: (200, NONE, r#"{"SecretString":"s"}"#),
        result: ("/SecretString", r#""s""#),
        refusal: typed!("ResourceNotFoundException"),
        refused: "SecretsManager.ResourceNotFoundException",
        throttle: typed!("ThrottlingException"),
        throttled: "SecretsManager.SecretsManagerException",
        unanswered: "SecretsManager.SdkClientException",
        text: None,
    },
    Case {
        resource: "sns:publish",
        arguments: r#"{"TopicArn":"t","Message":"m"}"#,
        asks: &["POST / Publish"],
        good: (
            200,
            NONE,
            "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
             <MessageId>m</MessageId></PublishResult></PublishResponse>",
        ),
        result: ("/MessageId", r#""m""#),
        refusal: tagged!(404, "NotFound"),
        refused: "SNS.NotFoundException",
        throttle: tagged!(400, "Throttling"),
        throttled: "SNS.AmazonSNSException",
        unanswered: "SNS.SdkClientException",
        text: None,
    },
    Case {
        resource: "aws-sdk:s3:listObjectsV2",
        arguments: r#"{"Bucket":"b"}"#,
        asks: &["GET /b?list-type=2"],
        good: (200, NONE, "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>"),
        result: ("/Contents/0/Key", r#""k""#),
        refusal: tagged!(404, "NoSuchBucket"),
        refused: "S3.NoSuchBucketException",
        throttle: tagged!(503, "SlowDown"),
        throttled: "S3.S3Exception",
        unanswered: "S3.SdkClientException",
        text: None,
    },
    Case {
        resource: "aws-sdk:s3:getObject",
        arguments: r#"{"Bucket":"b","Key":"k"}"#,
        asks: &["GET /b/k"],
        good: (200, &[("etag", "e")], "bytes"),
        result: ("/ETag", r#""e""#),
        refusal: tagged!(404, "NoSuchKey"),
        refused: "S3.NoSuchKeyException",
        throttle: tagged!(503, "SlowDown"),
        throttled: "S3.S3Exception",
        unanswered: "S3.SdkClientException",
        text: Some("/Body"),
    },
    Case {
        resource: "lambda:invoke",
        arguments: r#"{"FunctionName":"f","Payload":{"a":1}}"#,
        asks: &["POST /2015-03-31/functions/f/invocations"],
        good: (200, NONE, "{\"done\":true}"),
        result: ("/Payload/done", "true"),
        refusal: headed!(404, "ResourceNotFoundException"),
        refused: "Lambda.ResourceNotFoundException",
        throttle: headed!(429, "TooManyRequestsException"),
        throttled: "Lambda.TooManyRequestsException",
        unanswered: "Lambda.SdkClientException",
        text: Some("/Payload"),
    },
    Case {
        resource: "lambda:invoke",
        arguments: r#"{"FunctionName":"near","Payload":{"a":1}}"#,
        asks: &["POST /near"],
        good: (200, NONE, "{\"done\":true}"),
        result: ("/Payload/done", "true"),
        refusal: (422, JSON, "{\"errorType\":\"Broken\",\"errorMessage\":\"m\"}"),
        refused: "Broken",
        throttle: (429, JSON, "{}"),
        throttled: "Lambda.AWSLambdaException",
        unanswered: "Lambda.SdkClientException",
        text: Some("/Payload"),
    },
    Case {
        resource: "batch:submitJob",
        arguments: r#"{"JobName":"n","JobQueue":"q","JobDefinition":"d"}"#,
        asks: &["POST /v1/submitjob"],
        good: (200, JSON, r#"{"jobId":"j","jobName":"n"}"#),
        result: ("/JobId", r#""j""#),
        refusal: headed!(400, "ClientException"),
        refused: "Batch.ClientException",
        throttle: headed!(429, "TooManyRequestsException"),
        throttled: "Batch.AWSBatchException",
        unanswered: "Batch.SdkClientException",
        text: None,
    },
    Case {
        resource: "aws-sdk:sagemakerruntime:invokeEndpoint",
        arguments: r#"{"EndpointName":"e","Body":{"x":1}}"#,
        asks: &["POST /endpoints/e/invocations"],
        good: (200, JSON, "[0.5]"),
        result: ("/Body", r#""[0.5]""#),
        refusal: headed!(424, "ModelError"),
        refused: "SageMakerRuntime.ModelErrorException",
        throttle: headed!(400, "ThrottlingException"),
        throttled: "SageMakerRuntime.SageMakerRuntimeException",
        unanswered: "SageMakerRuntime.SdkClientException",
        text: Some("/Body"),
    },
    Case {
        resource: "apigateway:invoke",
        arguments: r#"{"ApiEndpoint":"a.execute-api.us-east-1.amazonaws.com","Method":"POST",
            "Stage":"prod","Path":"/orders","QueryParameters":{"dry":["true"]},
            "RequestBody":{"id":1},"AuthType":"IAM_ROLE"}"#,
        asks: &["POST /prod/orders?dry=true"],
        good: (200, JSON, "{\"ok\":true}"),
        result: ("/ResponseBody/ok", "true"),
        refusal: (404, JSON, "{\"message\":\"no such way\"}"),
        refused: "ApiGateway.404",
        throttle: (429, JSON, "{\"message\":\"Too Many Requests\"}"),
        throttled: "ApiGateway.429",
        unanswered: "ApiGateway.SdkClientException",
        text: Some("/ResponseBody"),
    },
    Case {
        resource: "http:invoke",
        arguments: r#"{"ApiEndpoint":"/orders","Method":"POST","RequestBody":{"id":1}}"#,
        asks: &["POST /orders"],
        good: (200, JSON, "{\"ok\":true}"),
        result: ("/ResponseBody/ok", "true"),
        refusal: (404, JSON, "{\"message\":\"no such way\"}"),
        refused: "States.Http.StatusCode.404",
        throttle: (429, JSON, "{\"message\":\"Too Many Requests\"}"),
        throttled: "States.Http.StatusCode.429",
        unanswered: "States.Http.Socket",
        text: Some("/ResponseBody"),
    },
    Case {
        resource: "ecs:runTask.sync",
        asks: &[
            "POST / AmazonEC2ContainerServiceV20141113.RunTask",
            "POST / AmazonEC2ContainerServiceV20141113.DescribeTasks",
        ],
        good: (200, NONE, r#"{"tasks":[{"taskArn":"t","lastStatus":"STOPPED"}],"failures":[]}"#),
        result: ("/TaskArn", r#""t""#),
        ..RUN_TASK
    },
    Case {
        resource: "batch:submitJob.sync",
        arguments: r#"{"JobName":"n","JobQueue":"q","JobDefinition":"d"}"#,
        asks: &["POST /v1/submitjob", "POST /v1/describejobs"],
        good: (200, NONE, r#"{"jobId":"i","jobs":[{"jobId":"i","status":"SUCCEEDED"}]}"#),
        result: ("/JobId", r#""i""#),
        refusal: headed!(400, "ClientException"),
        refused: "Batch.ClientException",
        throttle: headed!(429, "TooManyRequestsException"),
        throttled: "Batch.AWSBatchException",
        unanswered: "Batch.SdkClientException",
        text: None,
    },
    Case {
        resource: "glue:startJobRun.sync",
        arguments: r#"{"JobName":"j"}"#,
        asks: &["POST / AWSGlue.StartJobRun", "POST / AWSGlue.GetJobRun"],
        good: (200, NONE, r#"{"JobRunId":"r","JobRun":{"Id":"r","JobRunState":"SUCCEEDED"}}"#),
        result: ("/Id", r#""r""#),
        refusal: typed!("EntityNotFoundException"),
        refused: "Glue.EntityNotFoundException",
        throttle: typed!("ThrottlingException"),
        throttled: "Glue.ThrottlingException",
        unanswered: "Glue.SdkClientException",
        text: None,
    },
    Case {
        resource: "sagemaker:createTrainingJob.sync",
        arguments: r#"{"TrainingJobName":"t"}"#,
        asks: &["POST / SageMaker.CreateTrainingJob", "POST / SageMaker.DescribeTrainingJob"],
        good: (200, NONE, r#"{"TrainingJobArn":"a","TrainingJobStatus":"Completed"}"#),
        result: ("/TrainingJobArn", r#""a""#),
        ..CREATE_MODEL
    },
    Case {
        resource: "states:startExecution.sync:2",
        asks: &[
            "POST / AWSStepFunctions.StartExecution",
            "POST / AWSStepFunctions.DescribeExecution",
        ],
        good: (
            200,
            NONE,
            r#"{"executionArn":"e","startDate":1.5,"status":"SUCCEEDED","output":"{\"n\":1}"}"#,
        ),
        result: ("/Output/n", "1"),
        ..START_EXECUTION
    },
];
