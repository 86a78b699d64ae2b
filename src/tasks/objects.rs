//! `arn:aws:states:::s3:getObject`, `s3:listObjectsV2` and `s3:putObject`, which a Map's `ItemReader`
//! and `ResultWriter` name, over a folder: a bucket is a folder in it, a key a file in that.
//!
//! `getObject` answers a file's text as it is; `listObjectsV2` answers `{"Contents": [{"Key",
//! "Size"}]}` of the keys that start with `Prefix`, in their order; `putObject` writes `Body`.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::line::{Line, Work};
use super::{Call, CallId, Driver, Integration, Take};
use crate::asl::resource::{Pattern, Resource};
use crate::fault::StateError;
use crate::targets::Held;

/// What the reading of objects is held to, in a folder or in S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an object that is read.
    pub size_max: usize,
    /// Keys that are listed at most; leaving some out would lose items.
    pub keys_max: usize,
    /// Files of a shard that are worked on at the same time; more wait.
    pub files_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { size_max: 64 << 20, keys_max: 1_000_000, files_max: 64 }
    }
}

impl Limits {
    /// What sets the size of an object.
    pub(super) const SIZE_SETTING: &'static str = "engine.object_size_max";

    /// There are more keys than may be listed.
    pub(super) fn too_many_keys(&self, prefix: &str) -> StateError {
        let keys_max = self.keys_max;
        let cause = format!(
            "More than {keys_max} keys start with {prefix:?}: narrow the Prefix, or raise \
             engine.object_keys_max"
        );
        error("TooManyKeys", cause)
    }
}

pub(super) const INTEGRATION: Integration = Integration {
    takes: is_ours,
    lacks: |settings| {
        let why = "reads and writes objects, and no folder stands for them: set \"objects\" in the \
                   pipeline (exec: --objects DIR), or mock the state";
        settings.objects.is_none().then_some(why)
    },
    open: |settings, place| {
        let folder: Arc<Path> = settings.objects.clone().unwrap_or_default().into();
        let limits = settings.object_limits;
        let work = move |arguments: Vec<u8>| -> Work<Answer> {
            let folder = folder.clone();
            // Files block; the threads for that are the runtime's.
            let done =
                move || tokio::task::spawn_blocking(move || answer(&folder, &limits, &arguments));
            let lost = |_| Err(error("Interrupted", "The file could not be worked on"));
            Box::pin(async move { done().await.unwrap_or_else(lost) })
        };
        Ok(Box::new(Objects(Line::new(place, Held::default(), limits.files_max, work))))
    },
};

/// Is it one of these?
fn is_ours(resource: &Resource) -> bool {
    let known = ["getObject", "listObjectsV2", "putObject"];
    let is_known = known.iter().any(|action| resource.is_integration("s3", action));
    is_known && resource.pattern() == Pattern::RequestResponse
}

/// What came of a call.
type Answer = Result<Vec<u8>, StateError>;

/// One shard's end.
struct Objects(Line<Vec<u8>, Answer>);

impl Driver for Objects {
    fn call(&mut self, call: &Call<'_>, _: &Resource) {
        self.0.join(call.id, call.arguments.to_vec());
    }

    fn poll(&mut self, take: &mut Take<'_>) {
        self.0.hand_over(take);
    }

    fn cancel(&mut self, id: CallId) {
        self.0.cancel(id);
    }

    fn is_due(&self) -> bool {
        self.0.is_due()
    }

    fn in_flight(&self) -> usize {
        self.0.len()
    }
}

fn error(name: &str, cause: impl Into<String>) -> StateError {
    StateError::new(format!("S3.{name}"), cause)
}

/// By what the arguments hold: a body is put, a key is got, a bucket alone is listed.
fn answer(folder: &Path, limits: &Limits, arguments: &[u8]) -> Answer {
    let arguments: Json = serde_json::from_slice(arguments).unwrap_or(Json::Null);
    let text = |name: &str| arguments[name].as_str();
    let Some(bucket) = text("Bucket") else {
        return Err(error("InvalidArgument", "The arguments have no Bucket"));
    };
    let root = inside(folder, bucket)?;
    match (text("Key"), arguments.get("Body")) {
        (Some(key), Some(body)) => put(&inside(&root, key)?, body),
        (Some(key), None) => get(&inside(&root, key)?, limits),
        (None, _) => list(&root, text("Prefix").unwrap_or_default(), limits),
    }
}

/// A path that stays within its folder.
fn inside(folder: &Path, name: &str) -> Result<PathBuf, StateError> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if name.is_empty() || !Path::new(name).components().all(is_plain) {
        let cause = format!("{name:?} can't be the name of a file below {}", folder.display());
        return Err(error("InvalidArgument", cause));
    }
    Ok(folder.join(name))
}

fn get(file: &Path, &Limits { size_max, .. }: &Limits) -> Answer {
    let size = std::fs::metadata(file).map_err(|e| missing(file, &e))?.len();
    if size > size_max as u64 {
        let (file, setting) = (file.display(), Limits::SIZE_SETTING);
        let cause = format!("{file} has {size} bytes, more than {size_max} ({setting})");
        return Err(error("EntityTooLarge", cause));
    }
    std::fs::read(file).map_err(|e| missing(file, &e))
}

fn missing(file: &Path, e: &std::io::Error) -> StateError {
    error("NoSuchKey", format!("{} can't be read: {e}", file.display()))
}

fn put(file: &Path, body: &Json) -> Answer {
    let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    let folder = file.parent().unwrap_or(file);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(file, text));
    let failed = |e| error("AccessDenied", format!("{} can't be written: {e}", file.display()));
    written.map(|()| b"{}".to_vec()).map_err(failed)
}

fn list(root: &Path, prefix: &str, limits: &Limits) -> Answer {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|e| missing(&folder, &e))?;
        for entry in entries {
            let entry = entry.map_err(|e| missing(&folder, &e))?;
            let path = entry.path();
            // A link is never followed to a folder: it could lead back here.
            let metadata = entry.metadata().map_err(|e| missing(&path, &e))?;
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            let key = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            if key.starts_with(prefix) {
                found.push((key, metadata.len()));
            }
        }
        if found.len() > limits.keys_max {
            return Err(limits.too_many_keys(prefix));
        }
    }
    found.sort();
    let entries: Vec<_> =
        found.into_iter().map(|(key, size)| json!({ "Key": key, "Size": size })).collect();
    Ok(json!({ "Contents": entries }).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(folder: &Path, arguments: Json) -> Result<String, String> {
        let answer = answer(folder, &Limits::default(), arguments.to_string().as_bytes());
        answer
            .map(|text| String::from_utf8(text).expect("UTF-8"))
            .map_err(|e| e.name().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_is_put_is_got_and_listed() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        let put = json!({ "Bucket": "b", "Key": "x/1.json", "Body": "[1]" });
        assert_eq!(asks(at, put).as_deref(), Ok("{}"));
        let got = asks(at, json!({ "Bucket": "b", "Key": "x/1.json" }));
        assert_eq!(got.as_deref(), Ok("[1]"));
        let listed = asks(at, json!({ "Bucket": "b", "Prefix": "x/" }));
        assert_eq!(listed.as_deref(), Ok(r#"{"Contents":[{"Key":"x/1.json","Size":3}]}"#));
    }

    #[test]
    fn nothing_outside_the_folder_is_reached() {
        let folder = tempfile::tempdir().expect("a folder");
        for (bucket, key) in [("..", "a"), ("b", "../../a"), ("b", "/etc/passwd"), ("", "a")] {
            let asked = asks(folder.path(), json!({ "Bucket": bucket, "Key": key }));
            assert_eq!(asked, Err("S3.InvalidArgument".to_owned()), "{bucket} {key}");
        }
        let gone = asks(folder.path(), json!({ "Bucket": "b", "Key": "none" }));
        assert_eq!(gone, Err("S3.NoSuchKey".to_owned()));
    }

    #[test]
    fn what_exceeds_a_limit_is_told_which() {
        let folder = tempfile::tempdir().expect("a folder");
        let ask = |limits: &Limits, arguments: Json| {
            answer(folder.path(), limits, arguments.to_string().as_bytes())
        };
        let limits = Limits { size_max: 3, keys_max: 2, ..Limits::default() };
        for (key, body) in [("1", "abc"), ("2", "abcd"), ("3", "")] {
            let put = json!({ "Bucket": "b", "Key": key, "Body": body });
            ask(&limits, put).expect("it is written");
        }
        ask(&limits, json!({ "Bucket": "b", "Key": "1" })).expect("it is small");
        for (arguments, name, setting) in [
            (json!({ "Bucket": "b", "Key": "2" }), "S3.EntityTooLarge", "engine.object_size_max"),
            (json!({ "Bucket": "b" }), "S3.TooManyKeys", "engine.object_keys_max"),
        ] {
            let error = ask(&limits, arguments.clone()).expect_err("it is too much");
            assert_eq!(error.name(), Some(name));
            assert!(error.cause().is_some_and(|cause| cause.contains(setting)), "{error:?}");
            ask(&Limits::default(), arguments).expect("it is within the default");
        }
    }
}
