//! Roles that are assumed for a call (`Credentials.RoleArn`), through the client itself.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Value as Json, json};

use super::credentials;
use super::protocol;
use super::{Call, Client, Credentials, Error, ErrorKind, Service, unreadable};

impl Client {
    /// Whom a call is signed for.
    pub(super) async fn credentials(&self, call: &Call<'_>) -> Result<Credentials, Error> {
        let Some(role) = call.role else {
            return self.0.chain.base().await.map_err(|missing| {
                let mut error = call.error(ErrorKind::Credentials, missing.message);
                error.is_passing = missing.is_passing;
                error
            });
        };
        let keep = self.0.chain.of_role(role);
        let mut held = keep.lock().await;
        if let Some(fresh) = credentials::fresh(&held) {
            return Ok(fresh);
        }
        // Calls nest here, once: this one has no role.
        let assumed = Box::pin(self.assume(call, role)).await?;
        Ok(held.insert(assumed).clone())
    }

    async fn assume(&self, call: &Call<'_>, role: &str) -> Result<Credentials, Error> {
        let sts = Service::find("sts").expect("the table has it");
        let Call { region, held, caller, .. } = *call;
        let assume = Call { region, held, caller, ..Call::new(sts, "AssumeRole") };
        let session = &self.0.settings.role_session_name;
        let members = json!({ "RoleArn": role, "RoleSessionName": session });
        let denied = |error: Error| {
            if error.kind == ErrorKind::Down {
                return call.error(ErrorKind::Down, error.message);
            }
            let mut denied = call.error(
                ErrorKind::Credentials,
                format!("the role {role:?} could not be assumed: {error}"),
            );
            denied.is_about_role = true;
            // The call to STS has been tried again already.
            denied.request_id = error.request_id;
            denied
        };
        let request = protocol::request(sts, "AssumeRole", &members)
            .map_err(|why| call.error(ErrorKind::Input, why))?;
        let reply = self.send(&assume, request).await.map_err(denied)?;
        let answer = protocol::answer(sts, "AssumeRole", &reply);
        let answer = answer.map_err(|why| denied(unreadable(&assume, &reply, &why)))?;
        let without = "it has no credentials";
        credentials_of(&answer).ok_or_else(|| denied(unreadable(&assume, &reply, without)))
    }
}

fn credentials_of(answer: &Json) -> Option<Credentials> {
    let of = |name: &str| answer["Credentials"][name].as_str().map(str::to_owned);
    let end = DateTime::from_str(&of("Expiration")?, Format::DateTimeWithOffset).ok()?;
    let (key_id, secret, token) = (of("AccessKeyId")?, of("SecretAccessKey")?, of("SessionToken")?);
    Some(Credentials::new(key_id, secret, Some(token), end.try_into().ok(), "AssumeRole"))
}
