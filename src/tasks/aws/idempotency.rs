//! Names and tokens that make starting things idempotent: where a record is run again, the service
//! answers with what it has started already.

use serde_json::{Map, Value as Json};

use crate::step::CallSite;
use crate::value::hash;

/// Step Functions' limit on an execution's name.
const NAME_CHARS_MAX: usize = 80;

/// What names derive from: the same whenever the call is made again.
#[derive(Clone, Copy, Debug)]
pub(in crate::tasks) struct Names<'a> {
    pub(in crate::tasks) execution: &'a str,
    pub(in crate::tasks) site: CallSite,
}

impl Names<'_> {
    fn site(&self) -> u64 {
        let CallSite { scope, step, visit, attempt } = self.site;
        let numbers = [scope, step.0.into(), visit.into(), attempt.into()];
        hash(numbers.into_iter().flat_map(u64::to_le_bytes))
    }

    /// An execution's name.
    pub(in crate::tasks) fn name(&self) -> String {
        match self.execution.len() + 17 <= NAME_CHARS_MAX {
            true => format!("{}-{:016x}", self.execution, self.site()),
            false => self.token(),
        }
    }

    /// A token of 33 characters.
    pub(in crate::tasks) fn token(&self) -> String {
        format!("{:016x}-{:016x}", hash(self.execution.bytes()), self.site())
    }

    /// Fills in the field that makes a call to this operation idempotent, where there is one and the
    /// definition does not.
    pub(in crate::tasks) fn fill_in(
        &self,
        service: &str,
        operation: &str,
        members: &mut Map<String, Json>,
    ) {
        let is_fifo = |name: &str| {
            let place = members.get(name).and_then(Json::as_str);
            place.is_some_and(|place| place.ends_with(".fifo"))
        };
        let field = match (service, operation) {
            ("ecs", "RunTask") => "ClientToken",
            ("sfn", "StartExecution") => "Name",
            ("sqs", "SendMessage") if is_fifo("QueueUrl") => "MessageDeduplicationId",
            ("sns", "Publish") if is_fifo("TopicArn") || is_fifo("TargetArn") => {
                "MessageDeduplicationId"
            }
            _ => return,
        };
        self.fill(field, members);
    }

    /// Fills in this field, unless the definition does; null is none.
    pub(in crate::tasks) fn fill(&self, field: &str, members: &mut Map<String, Json>) {
        if !is_given(field, members) {
            let text = if field == "Name" { self.name() } else { self.token() };
            members.insert(field.to_owned(), text.into());
        }
    }
}

/// Does the definition say it? Null is nothing.
pub(in crate::tasks) fn is_given(field: &str, members: &Map<String, Json>) -> bool {
    members.get(field).is_some_and(|it| !it.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::step::StepId;

    fn fills(service: &str, operation: &str, given: Json) -> Json {
        let site = CallSite { scope: 0, step: StepId(2), visit: 1, attempt: 0 };
        let names = Names { execution: "orders-in-0-7", site };
        let Json::Object(mut members) = given else { panic!("an object") };
        names.fill_in(service, operation, &mut members);
        Json::Object(members)
    }

    #[test]
    fn services_have_their_fields() {
        let of = |filled: Json, field: &str| filled[field].as_str().map(str::to_owned);
        let task = of(fills("ecs", "RunTask", json!({})), "ClientToken").expect("a token");
        assert_eq!(task.len(), 33);
        let name = of(fills("sfn", "StartExecution", json!({})), "Name").expect("a name");
        assert!(name.starts_with("orders-in-0-7-"), "{name}");
        let null = of(fills("sfn", "StartExecution", json!({ "Name": null })), "Name");
        assert_eq!(null.as_ref(), Some(&name), "null is no name");
        let id = "MessageDeduplicationId";
        let sent = fills("sqs", "SendMessage", json!({ "QueueUrl": "https://q/1/a.fifo" }));
        assert_eq!(of(sent, id), Some(task.clone()));
        let published = fills("sns", "Publish", json!({ "TopicArn": "arn:aws:sns:r:1:a.fifo" }));
        assert_eq!(of(published, id), Some(task));
    }

    #[test]
    fn what_the_definition_says_and_what_knows_no_field_stays() {
        for (service, operation, given) in [
            ("ecs", "RunTask", json!({ "ClientToken": "mine" })),
            ("sfn", "StartExecution", json!({ "Name": "mine" })),
            ("sqs", "SendMessage", json!({ "QueueUrl": "https://q/1/a" })),
            ("sns", "Publish", json!({ "PhoneNumber": "1" })),
            ("batch", "SubmitJob", json!({ "JobName": "j" })),
            ("ecs", "StopTask", json!({ "Task": "t" })),
        ] {
            assert_eq!(fills(service, operation, given.clone()), given);
        }
    }

    #[test]
    fn places_and_tries_have_names_of_their_own_and_long_ones_are_cut() {
        let site = CallSite { scope: 0, step: StepId(2), visit: 1, attempt: 0 };
        let names = Names { execution: "e", site };
        for other in [
            CallSite { scope: 1, ..site },
            CallSite { step: StepId(3), ..site },
            CallSite { visit: 2, ..site },
            CallSite { attempt: 1, ..site },
        ] {
            assert_ne!(names.token(), Names { site: other, ..names }.token());
        }
        assert_ne!(names.token(), Names { execution: "f", ..names }.token());
        let long = "e".repeat(80);
        assert_eq!(Names { execution: &long, site }.name().len(), 33);
    }
}
