//! What references to resources will look like once they are deployed: names and ARNs in an account
//! and region of no meaning, so that a definition can be checked and tried before.

/// `AWS::Region`
pub(super) const REGION: &str = "us-east-1";
/// `AWS::AccountId`
pub(super) const ACCOUNT: &str = "123456789012";

/// Resource types: the service in their ARNs, and what stands before the name there.
const TYPES: &[(&str, &str, &str)] = &[
    ("AWS::Lambda::Function", "lambda", "function:"),
    ("AWS::Serverless::Function", "lambda", "function:"),
    ("AWS::StepFunctions::StateMachine", "states", "stateMachine:"),
    ("AWS::Serverless::StateMachine", "states", "stateMachine:"),
    ("AWS::StepFunctions::Activity", "states", "activity:"),
    ("AWS::SNS::Topic", "sns", ""),
    ("AWS::SQS::Queue", "sqs", ""),
    ("AWS::DynamoDB::Table", "dynamodb", "table/"),
    ("AWS::Serverless::SimpleTable", "dynamodb", "table/"),
    ("AWS::Events::EventBus", "events", "event-bus/"),
    ("AWS::Events::Connection", "events", "connection/"),
    ("AWS::ECS::Cluster", "ecs", "cluster/"),
    ("AWS::ECS::TaskDefinition", "ecs", "task-definition/"),
    ("AWS::Batch::JobQueue", "batch", "job-queue/"),
    ("AWS::Batch::JobDefinition", "batch", "job-definition/"),
    ("AWS::KMS::Key", "kms", "key/"),
    ("AWS::SecretsManager::Secret", "secretsmanager", "secret:"),
];
/// Types whose `Ref` is their ARN.
const REF_IS_ARN: &[&str] = &[
    "AWS::StepFunctions::StateMachine",
    "AWS::Serverless::StateMachine",
    "AWS::StepFunctions::Activity",
    "AWS::SNS::Topic",
    "AWS::ECS::TaskDefinition",
    "AWS::Batch::JobQueue",
    "AWS::Batch::JobDefinition",
    "AWS::SecretsManager::Secret",
];

/// What `Ref` gives for a resource of this type and logical id.
pub(super) fn reference(kind: &str, id: &str) -> String {
    match kind {
        _ if REF_IS_ARN.contains(&kind) => arn(kind, id),
        "AWS::SQS::Queue" => format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{id}"),
        "AWS::S3::Bucket" => id.to_ascii_lowercase(),
        _ => id.to_owned(),
    }
}

/// What `Fn::GetAtt` gives.
pub(super) fn attribute(kind: &str, id: &str, attribute: &str) -> String {
    match attribute {
        "Arn" | "TopicArn" | "Ref" => arn(kind, id),
        "QueueUrl" => reference(kind, id),
        _ if attribute.ends_with("Name") || attribute == "Name" => id.to_owned(),
        _ => format!("{id}.{attribute}"),
    }
}

fn arn(kind: &str, id: &str) -> String {
    match (kind, TYPES.iter().find(|row| row.0 == kind)) {
        ("AWS::IAM::Role", _) => format!("arn:aws:iam::{ACCOUNT}:role/{id}"),
        ("AWS::S3::Bucket", _) => format!("arn:aws:s3:::{}", id.to_ascii_lowercase()),
        (_, Some((_, service, before))) => {
            format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{before}{id}")
        }
        _ => {
            let service = kind.split("::").nth(1).unwrap_or("resource").to_ascii_lowercase();
            format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{id}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_as_deployed() {
        let function = "arn:aws:lambda:us-east-1:123456789012:function:F";
        assert_eq!(attribute("AWS::Serverless::Function", "F", "Arn"), function);
        assert_eq!(reference("AWS::Serverless::Function", "F"), "F");
        assert_eq!(reference("AWS::SNS::Topic", "T"), "arn:aws:sns:us-east-1:123456789012:T");
        assert_eq!(attribute("AWS::SNS::Topic", "T", "TopicName"), "T");
        assert_eq!(
            attribute("AWS::Glue::Job", "J", "Arn"),
            "arn:aws:glue:us-east-1:123456789012:J"
        );
        assert!(reference("AWS::SQS::Queue", "Q").ends_with("/123456789012/Q"));
    }
}
