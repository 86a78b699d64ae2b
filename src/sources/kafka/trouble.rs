//! The library's error codes, sorted: what an operator must hear of, with what to do, and what passes.

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::kafka;
use crate::sources::SourceError;

/// Is this trouble the operator must hear of? The library gets over everything else by itself.
pub(super) fn judge(code: Code, text: &str, at: &str) -> Option<SourceError> {
    let refusal = kafka::access_advice(code, text);
    let advice = match code {
        _ if refusal.is_some() => refusal.unwrap_or_default(),
        Code::TopicAuthorizationFailed => "grant this user Read and Describe on the topic",
        Code::GroupAuthorizationFailed => "grant this user Read on the group",
        Code::ClusterAuthorizationFailed => "grant this user access to the cluster",
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::InvalidTopic => {
            "create the topic, or correct its name in the source's topics"
        }
        Code::OffsetOutOfRange | Code::AutoOffsetReset | Code::NoOffset => {
            "the records to be read next are gone (retention, or a topic made anew): say with \
             \"auto.offset.reset\" = \"earliest\" or \"latest\" in kafka.consumer where to go on"
        }
        Code::Fenced | Code::FencedInstanceId => {
            "another member uses the same group.instance.id: give each its own"
        }
        Code::InconsistentGroupProtocol => {
            "the group's other members use another assignment strategy or protocol: use theirs"
        }
        Code::UnsupportedVersion | Code::UnsupportedFeature => {
            "the brokers are too old for these properties: change them"
        }
        Code::InvalidGroupId | Code::InvalidSessionTimeout => "correct the group's properties",
        Code::Fatal => "restart; if it comes again, look into the brokers' logs",
        _ => {
            tracing::warn!(code = kafka::code_name(code), text, at, "Kafka consumer trouble");
            return None;
        }
    };
    let name = kafka::code_name(code);
    let message = format!("reading {at} failed with {name} ({text}): {advice}");
    Some(SourceError { message, retriable: false })
}

/// Can a failed commit succeed while this member keeps its partitions? An old generation can: whoever
/// is still a member has joined the next one itself, and is about to hear its number; whoever is none
/// any more is told that the member is not known.
pub(super) fn may_pass(code: Code) -> bool {
    !matches!(
        code,
        Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::Fenced
            | Code::AssignmentLost
            | Code::GroupAuthorizationFailed
            | Code::TopicAuthorizationFailed
            | Code::UnknownTopicOrPartition
            | Code::Fatal
            | Code::BrokerDestroy
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_hears_of_what_does_not_pass() {
        let error = judge(Code::TopicAuthorizationFailed, "denied", "t/1").expect("told");
        assert!(error.message.contains("TOPIC_AUTHORIZATION_FAILED"), "{error}");
        assert!(error.message.contains("grant this user Read"), "{error}");
        assert!(judge(Code::AllBrokersDown, "1/1 down", "t").is_none());
        assert!(may_pass(Code::NotCoordinator) && may_pass(Code::IllegalGeneration));
        assert!(!may_pass(Code::UnknownMemberId) && !may_pass(Code::FencedInstanceId));
    }
}
