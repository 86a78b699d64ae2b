//! `States.Hash(data, algorithm)`: the digest of a text, or of the JSON text of anything else, in
//! lower-case hexadecimal.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{Call, failure};
use crate::fault::StateError;
use crate::value::{Kind, Value};

/// Characters of the data, as in Step Functions.
const CHARACTERS_MAX: usize = 10_000;
/// Characters of an algorithm's name, more than any has.
const NAME_MAX: usize = 100;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let data = data(call)?;
    let algorithm = call.text(1, NAME_MAX)?;
    let digest = match algorithm.as_str() {
        "MD5" => hex(&Md5::digest(data)),
        "SHA-1" => hex(&Sha1::digest(data)),
        "SHA-256" => hex(&Sha256::digest(data)),
        "SHA-384" => hex(&Sha384::digest(data)),
        "SHA-512" => hex(&Sha512::digest(data)),
        other => {
            let names = "MD5, SHA-1, SHA-256, SHA-384 or SHA-512";
            return Err(failure(format!("'{other}' is no algorithm; it must be {names}")));
        }
    };
    Ok(call.scratch.string(&digest))
}

fn data(call: &Call<'_>) -> Result<Vec<u8>, StateError> {
    if call.args[0].kind() == Kind::String {
        return call.text(0, CHARACTERS_MAX).map(String::into_bytes);
    }
    if call.args[0].is_null() {
        return Err(failure("null can't be hashed"));
    }
    call.check_size()?;
    let mut text = Vec::new();
    call.scratch.write(call.args[0], &mut text);
    match text.len() <= CHARACTERS_MAX {
        true => Ok(text),
        false => Err(failure(format!("Argument 1 is longer than {CHARACTERS_MAX} characters"))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
