//! A Task's `Resource`: what kind of work it asks for. Whether anything here can do that work is
//! decided when a definition is run; any well-formed `Resource` can be read.

/// The AWS partitions that an ARN may name.
pub const PARTITIONS: &[&str] = &["aws", "aws-cn", "aws-us-gov"];

/// What a Task asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `arn:aws:lambda:us-east-1:123456789012:function:name`, with an optional version or alias
    Lambda {
        /// The whole ARN.
        arn: String,
        /// `name`, `name:version`
        function: String,
    },
    /// `arn:aws:states:us-east-1:123456789012:activity:name`
    Activity {
        /// The whole ARN.
        arn: String,
        /// The activity's name.
        name: String,
    },
    /// `arn:aws:states:::sqs:sendMessage`, and ours such as `arn:aws:states:::kafka:produce`
    Integration(Call),
    /// `arn:aws:states:::aws-sdk:s3:getObject`
    AwsSdk(Call),
    /// Any other URI or ARN; only a mock can answer it.
    Other(String),
}

/// The action that an integration is to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `sqs`, `http`, `kafka`
    pub service: String,
    /// `sendMessage`, `invoke`, `produce`
    pub action: String,
    /// How long the state waits.
    pub pattern: Pattern,
}

/// The service integration patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// No suffix: wait for the answer to the call.
    RequestResponse,
    /// `.sync`: wait for the job, and take its output as text.
    Sync,
    /// `.sync:2`: wait for the job, and take its output as JSON.
    Sync2,
    /// `.waitForTaskToken`: wait until the token is sent back.
    WaitForTaskToken,
}

impl Pattern {
    /// The suffix as written.
    pub const fn suffix(self) -> &'static str {
        match self {
            Pattern::RequestResponse => "",
            Pattern::Sync => ".sync",
            Pattern::Sync2 => ".sync:2",
            Pattern::WaitForTaskToken => ".waitForTaskToken",
        }
    }
}

const PATTERNS: [Pattern; 4] =
    [Pattern::RequestResponse, Pattern::Sync, Pattern::Sync2, Pattern::WaitForTaskToken];

impl Resource {
    /// Reads a `Resource`, or says what is wrong with it: the sentence goes on after `field
    /// "Resource" value …`.
    pub fn parse(text: &str) -> Result<Resource, String> {
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("is no ARN and no URI: it is empty or has spaces.".to_owned());
        }
        let Some((scheme, _)) = text.split_once(':') else {
            return Err(
                "is no ARN and no URI; write \"arn:aws:states:::service:action\", say.".into()
            );
        };
        if scheme == "arn" {
            return parse_arn(text);
        }
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !is_scheme || text.contains(['{', '}', '"', '<', '>', '^', '`', '\\']) {
            return Err("is no URI; is it a placeholder that was to be replaced?".to_owned());
        }
        Ok(Resource::Other(text.to_owned()))
    }

    /// The `resourceType` that AWS logs: `sqs`, `aws-sdk:s3`, `lambda`, `activity`.
    pub fn log_type(&self) -> String {
        match self {
            Resource::Lambda { .. } => "lambda".to_owned(),
            Resource::Activity { .. } => "activity".to_owned(),
            Resource::Integration(call) => call.service.clone(),
            Resource::AwsSdk(call) => format!("aws-sdk:{}", call.service),
            Resource::Other(text) => text.split(':').next().unwrap_or_default().to_owned(),
        }
    }

    /// The `resource` that AWS logs: `sendMessage.waitForTaskToken`, or the ARN.
    pub fn log_name(&self) -> String {
        match self {
            Resource::Lambda { arn, .. } | Resource::Activity { arn, .. } => arn.clone(),
            Resource::Integration(call) | Resource::AwsSdk(call) => {
                format!("{}{}", call.action, call.pattern.suffix())
            }
            Resource::Other(text) => text.clone(),
        }
    }

    /// How long the state waits.
    pub fn pattern(&self) -> Pattern {
        match self {
            Resource::Integration(call) | Resource::AwsSdk(call) => call.pattern,
            _ => Pattern::RequestResponse,
        }
    }

    /// Is it answered from outside, by whoever has its token?
    pub fn has_token(&self) -> bool {
        matches!(self, Resource::Activity { .. }) || self.pattern() == Pattern::WaitForTaskToken
    }

    /// Is something named after the call's place in its execution: a token, a job, an execution?
    pub fn is_named_by_site(&self) -> bool {
        self.has_token()
            || self.pattern() != Pattern::RequestResponse
            || self.is_integration("states", "startExecution")
            || matches!(self, Resource::AwsSdk(call) if call.service == "sfn")
    }

    /// What is called first where a token is waited for: the same without that; otherwise itself.
    pub fn without_token(&self) -> Resource {
        let mut plain = self.clone();
        if let Resource::Integration(call) | Resource::AwsSdk(call) = &mut plain
            && call.pattern == Pattern::WaitForTaskToken
        {
            call.pattern = Pattern::RequestResponse;
        }
        plain
    }

    /// Is it this integration, `("kafka", "produce")` say, whatever the pattern?
    pub fn is_integration(&self, service: &str, action: &str) -> bool {
        let Resource::Integration(call) = self else {
            return false;
        };
        call.service == service && call.action == action
    }
}

/// `arn:partition:service:region:account:resource`
fn parse_arn(text: &str) -> Result<Resource, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [_, partition, service, _, _, rest] = parts[..] else {
        return Err("is no ARN: it has fewer than six parts between colons.".to_owned());
    };
    if !PARTITIONS.contains(&partition) {
        return Err(format!("names the partition {partition:?}, which is none of {PARTITIONS:?}."));
    }
    if service.is_empty() || rest.is_empty() {
        return Err("is no ARN: its service or its resource is empty.".to_owned());
    }
    match (service, rest.split_once(':')) {
        ("lambda", Some(("function", function))) if !function.is_empty() => {
            Ok(Resource::Lambda { arn: text.to_owned(), function: function.to_owned() })
        }
        ("states", Some(("activity", name))) if !name.is_empty() => {
            Ok(Resource::Activity { arn: text.to_owned(), name: name.to_owned() })
        }
        ("states", Some(("aws-sdk", call))) => parse_call(call).map(Resource::AwsSdk),
        ("states", _) => parse_call(rest).map(Resource::Integration),
        _ => Ok(Resource::Other(text.to_owned())),
    }
}

/// `service:action`, with a pattern's suffix.
fn parse_call(text: &str) -> Result<Call, String> {
    let complaint = || {
        "names no action; write \"arn:aws:states:::service:action\", with \".sync\", \".sync:2\" \
         or \".waitForTaskToken\" at its end where the service has that."
            .to_owned()
    };
    let (service, action) = text.split_once(':').ok_or_else(complaint)?;
    let (action, suffix) = action.split_at(action.find('.').unwrap_or(action.len()));
    let pattern = PATTERNS.into_iter().find(|pattern| pattern.suffix() == suffix);
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    match pattern {
        Some(pattern) if is_word(service) && is_word(action) => {
            Ok(Call { service: service.to_owned(), action: action.to_owned(), pattern })
        }
        Some(_) => Err(complaint()),
        None => Err(format!(
            "ends with {suffix:?}, which is none of \".sync\", \".sync:2\" and \
             \".waitForTaskToken\"."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str, log_type: &str, log_name: &str, pattern: Pattern) -> Resource {
        let resource = Resource::parse(text).expect("well-formed");
        assert_eq!(
            (resource.log_type().as_str(), resource.log_name().as_str()),
            (log_type, log_name)
        );
        assert_eq!(resource.pattern(), pattern);
        resource
    }

    #[test]
    fn tells_the_families_apart() {
        use Pattern::{RequestResponse, Sync, Sync2, WaitForTaskToken};
        let lambda = "arn:aws:lambda:us-east-1:111111111111:function:f:PROD";
        let lambda = reads(lambda, "lambda", lambda, RequestResponse);
        assert!(matches!(lambda, Resource::Lambda { function, .. } if function == "f:PROD"));
        let activity = "arn:aws-cn:states:cn-north-1:111111111111:activity:a";
        let activity = reads(activity, "activity", activity, RequestResponse);
        assert!(matches!(activity, Resource::Activity { name, .. } if name == "a"));
        reads("arn:aws:states:::lambda:invoke", "lambda", "invoke", RequestResponse);
        let token = "arn:aws:states:::sqs:sendMessage.waitForTaskToken";
        reads(token, "sqs", "sendMessage.waitForTaskToken", WaitForTaskToken);
        let job = "arn:aws-us-gov:states:::states:startExecution";
        reads(&format!("{job}.sync"), "states", "startExecution.sync", Sync);
        reads(&format!("{job}.sync:2"), "states", "startExecution.sync:2", Sync2);
        let sdk = "arn:aws:states:us-east-1:111111111111:aws-sdk:s3:getObject";
        assert!(matches!(
            reads(sdk, "aws-sdk:s3", "getObject", RequestResponse),
            Resource::AwsSdk(_)
        ));
        let kafka = reads("arn:aws:states:::kafka:produce", "kafka", "produce", RequestResponse);
        assert!(
            kafka.is_integration("kafka", "produce") && !kafka.is_integration("http", "invoke")
        );
    }

    #[test]
    fn other_well_formed_ones_are_kept() {
        for text in ["arn:aws:sns:us-east-1:1:topic", "arn:aws:s3:::bucket", "docker://a/b:1"] {
            assert_eq!(Resource::parse(text), Ok(Resource::Other(text.to_owned())));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("", "empty"),
            ("a b:c", "spaces"),
            ("${lambdaArn", "no ARN and no URI"),
            ("${a:b}", "placeholder"),
            ("arn:aws:states", "six parts"),
            ("arn:moon:states:::sqs:sendMessage", "partition"),
            ("arn:aws:states:::sqs", "no action"),
            ("arn:aws:states:::sqs:", "no action"),
            ("arn:aws:states:::sqs:sendMessage.async", "\".async\""),
            ("arn:aws:lambda:::", "empty"),
        ] {
            let complaint = Resource::parse(text).expect_err(text);
            assert!(complaint.contains(part), "{text}: {complaint}");
        }
    }
}
