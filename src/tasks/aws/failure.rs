//! Errors of calls as state machines see them. The two families name the same error differently:
//! optimized integrations as the first SDK did (`DynamoDB.AmazonDynamoDBException`), `aws-sdk:` as
//! the second does (`DynamoDb.DynamoDbException`).

use super::optimized::Optimized;
use crate::aws::{Error, ErrorKind, Service};
use crate::fault::{StateError, names};
use crate::tasks::TARGET_DOWN;

/// Of an optimized integration.
pub(in crate::tasks) fn optimized(error: &Error, integration: &Optimized) -> StateError {
    let Optimized { prefix, client, general, .. } = integration;
    let class = || {
        let general = || format!("{}Exception", general.unwrap_or(client));
        integration.api().exception(&error.code).unwrap_or_else(general)
    };
    let cause = || {
        let Error { message, code, request_id, .. } = error;
        let status = error.status.unwrap_or_default();
        format!(
            "{message} (Service: {client}; Status Code: {status}; Error Code: {code}; Request ID: \
             {request_id}; Proxy: null)"
        )
    };
    named(error, prefix, class, cause)
}

/// Of an `aws-sdk:` integration.
pub(in crate::tasks) fn sdk(error: &Error, service: &Service) -> StateError {
    let prefix = service.error_prefix();
    let class = || service.exception(&error.code).unwrap_or_else(|| format!("{prefix}Exception"));
    let cause = || {
        let Error { message, request_id, extended_request_id, .. } = error;
        let status = error.status.unwrap_or_default();
        let extended = match extended_request_id.is_empty() {
            true => String::new(),
            false => format!(", Extended Request ID: {extended_request_id}"),
        };
        format!(
            "{message} (Service: {prefix}, Status Code: {status}, Request ID: {request_id}{extended})"
        )
    };
    named(error, &prefix, class, cause)
}

fn named(
    error: &Error,
    prefix: &str,
    class: impl FnOnce() -> String,
    cause: impl FnOnce() -> String,
) -> StateError {
    let message = &error.message;
    let of_client = |what: String| StateError::new(format!("{prefix}.SdkClientException"), what);
    match error.kind {
        ErrorKind::Service => StateError::new(format!("{prefix}.{}", class()), cause()),
        ErrorKind::Connection | ErrorKind::Timeout => {
            of_client(format!("Unable to execute HTTP request: {message}"))
        }
        ErrorKind::Malformed => of_client(format!("Unable to unmarshall response: {message}")),
        ErrorKind::Credentials if error.is_about_role => StateError::new(
            names::TASK_FAILED,
            format!("The caller is not authorized to assume the task state's role: {message}"),
        ),
        ErrorKind::Credentials => of_client(format!("Unable to load credentials: {message}")),
        ErrorKind::Limit => StateError::new(
            names::DATA_LIMIT_EXCEEDED,
            format!(
                "The state/task returned a result with a size exceeding the maximum number of bytes \
                 service limit: {message}."
            ),
        ),
        ErrorKind::Input => StateError::runtime(message.clone()),
        ErrorKind::Down => StateError::new(TARGET_DOWN, message.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{dynamodb, sns};

    fn error(kind: ErrorKind, code: &str) -> Error {
        let s3 = Service::find("s3").expect("it is there");
        let mut error = Error::new(kind, s3, "Op", "m");
        (error.code, error.request_id) = (code.to_owned(), "r".to_owned());
        error.status = Some(400);
        error
    }

    #[track_caller]
    fn shows(found: &StateError, name: &str, cause: &str) {
        assert_eq!((found.name(), found.cause()), (Some(name), Some(cause)));
    }

    #[test]
    fn both_families_have_their_names() {
        let (ours, service) = (&dynamodb::DYNAMODB, dynamodb::DYNAMODB.api());
        let known = error(ErrorKind::Service, "ResourceNotFoundException");
        shows(
            &optimized(&known, ours),
            "DynamoDB.ResourceNotFoundException",
            "m (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: \
             ResourceNotFoundException; Request ID: r; Proxy: null)",
        );
        let cause = "m (Service: DynamoDb, Status Code: 400, Request ID: r)";
        shows(&sdk(&known, service), "DynamoDb.ResourceNotFoundException", cause);
        let unknown = error(ErrorKind::Service, "ValidationException");
        let general = "DynamoDB.AmazonDynamoDBException";
        assert_eq!(optimized(&unknown, ours).name(), Some(general));
        shows(&sdk(&unknown, service), "DynamoDb.DynamoDbException", cause);
        let missing = error(ErrorKind::Service, "NotFound");
        assert_eq!(optimized(&missing, &sns::SNS).name(), Some("SNS.NotFoundException"));
    }

    #[test]
    fn what_no_service_said_is_the_clients() {
        let refused = error(ErrorKind::Connection, "");
        shows(
            &optimized(&refused, &sns::SNS),
            "SNS.SdkClientException",
            "Unable to execute HTTP request: m",
        );
        let s3 = Service::find("s3").expect("it is there");
        let half = error(ErrorKind::Malformed, "");
        assert_eq!(sdk(&half, s3).name(), Some("S3.SdkClientException"));
        let mut role = error(ErrorKind::Credentials, "");
        role.is_about_role = true;
        assert_eq!(sdk(&role, s3).name(), Some("States.TaskFailed"));
        let large = error(ErrorKind::Limit, "");
        assert_eq!(sdk(&large, s3).name(), Some("States.DataLimitExceeded"));
    }
}
