//! Settings of AWS's client and of the tasks that call it, from the configuration.

use super::prepare::object_limits;
use crate::aws::{Endpoint, Settings};
use crate::config::{Aws, AwsTarget, Coalesce, Config, Pipeline};
use crate::tasks::{self, AwsSettings, Coalesced};

/// What a client needs to know, for tasks and queues alike.
pub fn client_settings(aws: &Aws) -> Settings {
    let settings = Settings {
        region: aws.region.clone(),
        credentials: None,
        endpoint: aws.endpoint.as_ref().map(endpoint).unwrap_or_default(),
        endpoints: aws.endpoints.0.iter().map(|(name, to)| (name.clone(), endpoint(to))).collect(),
        role_session_name: aws.role_session_name.clone(),
        roles_max: aws.roles_max as usize,
        s3_path_style: aws.s3_path_style,
        connect_timeout: aws.connect_timeout,
        request_timeout: aws.request_timeout,
        calls_max: aws.calls_max as usize,
        idle_connections_max: aws.idle_connections_max as usize,
        idle_timeout: aws.idle_timeout,
        response_bytes_max: aws.response_size_max.bytes() as usize,
        attempts_max: aws.attempts_max,
        backoff: aws.backoff,
        backoff_max: aws.backoff_max,
    };
    match (&aws.access_key_id, &aws.secret_access_key) {
        (Some(key_id), Some(secret)) => settings.with_keys(key_id, secret.expose()),
        _ => settings,
    }
}

fn endpoint(target: &AwsTarget) -> Endpoint {
    match target {
        AwsTarget::Url(url) => Endpoint::Url(url.clone()),
        // The configuration's checks have refused mocks there.
        AwsTarget::Aws | AwsTarget::Mock => Endpoint::Aws,
    }
}

/// How long calls wait for others, by service.
fn coalesced(coalesce: &Coalesce) -> Coalesced {
    let Coalesce { sqs, sns, eventbridge, dynamodb, tables_max } = *coalesce;
    let set = [("sqs", sqs), ("sns", sns), ("eventbridge", eventbridge), ("dynamodb", dynamodb)];
    let set = set.into_iter().filter_map(|(name, wait)| Some((name.to_owned(), wait?)));
    Coalesced { waits: set.collect(), tables_max: tables_max as usize }
}

/// What a pipeline's tasks need to know.
pub(super) fn task_settings(config: &Config, pipeline: &Pipeline) -> AwsSettings {
    let target = |to: &AwsTarget| match to {
        AwsTarget::Mock => tasks::AwsTarget::Mock,
        to => tasks::AwsTarget::Endpoint(endpoint(to)),
    };
    let targets = |named: &crate::config::AwsTargets| {
        named.0.iter().map(|(name, to)| (name.clone(), target(to))).collect()
    };
    let functions = pipeline.aws.functions.0.iter();
    AwsSettings {
        client: client_settings(&config.aws),
        services: targets(&pipeline.aws.services),
        states: targets(&pipeline.aws.states),
        functions: functions.map(|(name, url)| (name.clone(), url.0.clone())).collect(),
        has_metadata: pipeline.strict_aws,
        // Where requests are to be those of Step Functions, only what it fills in itself is.
        fills_in: !pipeline.strict_aws,
        coalesced: coalesced(&pipeline.aws.coalesce),
        object_limits: object_limits(&config.engine),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Origin, parse};

    #[test]
    fn what_is_set_arrives() {
        let text = "[aws]\nregion = \"eu-west-1\"\nendpoint = \"aws\"\n\
            endpoints = { sqs = \"http://127.0.0.1:9324\" }\naccess_key_id = \"k\"\n\
            secret_access_key = \"hush\"\nattempts_max = 7\n[[pipeline]]\nname = \"p\"\n\
            definition = \"d.json\"\non_failure = \"stop\"\nstrict_aws = true\n\
            source = { topics = [\"in\"], group = \"g\" }\noutput = { discard = true }\n\
            [pipeline.aws]\nservices = { sns = \"mock\" }\nstates = { A = \"aws\" }\n\
            functions = { f = \"http://127.0.0.1:9000\" }\n\
            coalesce = { sqs = \"5ms\", tables_max = 9 }";
        let environment = Default::default();
        let origin = Origin { folder: "".as_ref(), environment: &environment };
        let config = parse(text, &origin).expect("a valid configuration");
        let settings = task_settings(&config, &config.pipeline[0]);
        let client = &settings.client;
        assert_eq!((client.region.as_deref(), client.attempts_max), (Some("eu-west-1"), 7));
        assert_eq!(client.endpoint, Endpoint::Aws);
        assert_eq!(client.endpoints["sqs"], Endpoint::Url("http://127.0.0.1:9324".to_owned()));
        assert!(client.credentials.is_some() && settings.has_metadata);
        assert_eq!(settings.services["sns"], tasks::AwsTarget::Mock);
        assert_eq!(settings.states["A"], tasks::AwsTarget::Endpoint(Endpoint::Aws));
        assert_eq!(settings.functions["f"], "http://127.0.0.1:9000");
        let waits = [("sqs".to_owned(), Duration::from_millis(5))].into();
        assert_eq!(settings.coalesced, Coalesced { waits, tables_max: 9 });
        assert!(!settings.fills_in, "strict_aws");
        assert!(!format!("{settings:?} {}", config.resolved()).contains("hush"));
    }
}
