//! Activities: what workers ask for tasks of. Those that definitions call are there by themselves.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Request;
use crate::api::answers::Answers;
use crate::api::refusal::Refusal;
use crate::asl::resource::Resource;
use crate::engine::now_ms;
use crate::tasks::callbacks::Activity;

const ARN_CHARS_MAX: usize = 256;
const NAME_CHARS_MAX: usize = 80;
/// Activities that clients may create beside those of definitions: Step Functions' own quota, which
/// is what its error tells of.
const ACTIVITIES_MAX: usize = 10_000;
/// What is in no activity's name.
const ILLEGAL: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";
/// Where an activity is that no definition calls.
const NOWHERE: &str = "arn:aws:states:local:000000000000:activity:";

/// `GetActivityTask`
pub(super) async fn take(answers: &Answers, request: &Request) -> Result<Value, Refusal> {
    let arn = activity_arn(request)?;
    request.optional("workerName", NAME_CHARS_MAX)?;
    let (arn, activity) = known(answers, arn)?;
    let settings = &answers.settings;
    let Some(_poller) = activity.poller(settings.pollers_max as usize) else {
        let message = format!("Activity Worker Limit Exceeded: '{arn}'");
        return Err(Refusal::bad("ActivityWorkerLimitExceeded", message));
    };
    match answers.desk.take(&arn, &activity, settings.poll_timeout).await {
        Some(taken) => {
            let input = String::from_utf8_lossy(&taken.input);
            Ok(json!({"taskToken": taken.token, "input": input}))
        }
        None => Ok(json!({"taskToken": null})),
    }
}

/// `CreateActivity`; one of this name that a definition calls is that one.
pub(super) fn create(answers: &Answers, request: &Request) -> Result<Value, Refusal> {
    let name = request.required("name", NAME_CHARS_MAX)?;
    if name.chars().any(|c| c.is_whitespace() || c.is_control() || ILLEGAL.contains(c)) {
        return Err(Refusal::bad("InvalidName", format!("Invalid Name: '{name}'")));
    }
    let all = answers.desk.activities();
    let called = all.iter().find(|(arn, it)| it.is_called && name_of(arn) == name);
    let arn = called.map_or_else(|| format!("{NOWHERE}{name}").into(), |(arn, _)| arn.clone());
    if all.len() >= ACTIVITIES_MAX && !all.iter().any(|(known, _)| *known == arn) {
        let message = format!("Activity Limit Exceeded: '{ACTIVITIES_MAX}'");
        return Err(Refusal::bad("ActivityLimitExceeded", message));
    }
    let activity = answers.desk.add_activity(&arn, false, now_ms());
    Ok(json!({"activityArn": *arn, "creationDate": seconds(&activity)}))
}

/// `DescribeActivity`
pub(super) fn describe(answers: &Answers, request: &Request) -> Result<Value, Refusal> {
    let (arn, activity) = known(answers, activity_arn(request)?)?;
    Ok(shown(&arn, &activity))
}

/// `ListActivities`, all of them at once.
pub(super) fn list(answers: &Answers, _: &Request) -> Result<Value, Refusal> {
    let all = answers.desk.activities();
    let shown: Vec<Value> = all.iter().map(|(arn, activity)| shown(arn, activity)).collect();
    Ok(json!({"activities": shown}))
}

/// `DeleteActivity`
pub(super) fn delete(answers: &Answers, request: &Request) -> Result<Value, Refusal> {
    let arn = activity_arn(request)?;
    if answers.desk.activity(arn).is_some_and(|(_, activity)| activity.is_called) {
        let message = format!("A running definition calls {arn}: it is there as long as that is.");
        return Err(Refusal::invalid(message));
    }
    answers.desk.remove_activity(arn);
    Ok(json!({}))
}

fn activity_arn(request: &Request) -> Result<&str, Refusal> {
    let arn = request.required("activityArn", ARN_CHARS_MAX)?;
    match Resource::parse(arn) {
        Ok(Resource::Activity { .. }) => Ok(arn),
        _ if arn.starts_with("arn:") => {
            let message = format!("Invalid Arn: 'Resource type not valid in this context: {arn}'");
            Err(Refusal::bad("InvalidArn", message))
        }
        _ => Err(Refusal::bad("InvalidArn", format!("Invalid Arn: 'Invalid ARN prefix: {arn}'"))),
    }
}

fn known(answers: &Answers, arn: &str) -> Result<(Arc<str>, Activity), Refusal> {
    answers.desk.activity(arn).ok_or_else(|| Refusal::no_activity(arn))
}

fn shown(arn: &str, activity: &Activity) -> Value {
    json!({"activityArn": arn, "name": name_of(arn), "creationDate": seconds(activity)})
}

fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// As AWS JSON writes times.
fn seconds(activity: &Activity) -> f64 {
    activity.created_ms as f64 / 1000.0
}
