//! Where the marks are kept that outlive a crash.

use std::path::PathBuf;

use super::StartError;
use crate::config::{Config, SuspectsFile};
use crate::shard::Suspects;
use crate::value::{hash, hash_on};

/// The file as configured, opened. Without one that can be written everything else works, so that it
/// is only told of where nobody has named it.
pub(super) fn suspects(config: &Config, shards: usize) -> Result<Suspects, StartError> {
    let without = || {
        let why =
            |e| StartError::new(format!("memory for the shards' marks is not to be had: {e}"));
        Suspects::unkept(shards).map_err(why)
    };
    let (file, is_named) = match &config.engine.suspects_file {
        SuspectsFile::Off => return without(),
        SuspectsFile::At(file) => (file.clone(), true),
        SuspectsFile::Auto => (own_file(config), false),
    };
    match Suspects::open(&file, shards) {
        Ok(suspects) => Ok(suspects),
        Err(why) if is_named => {
            let file = file.display();
            Err(StartError::new(format!(
                "engine.suspects_file: {file} could not be opened: {why}. Name one that can be \
                 written, or \"off\""
            )))
        }
        Err(why) => {
            tracing::warn!(
                file = %file.display(), %why,
                "records that bring the process down will not be found out: no marks can be kept. \
                 Name a file by engine.suspects_file"
            );
            without()
        }
    }
}

/// One for what this configuration runs, in the folder for temporary files.
fn own_file(config: &Config) -> PathBuf {
    let mut sum = hash(config.kafka.bootstrap_servers.join(",").bytes());
    for pipeline in &config.pipeline {
        sum = hash_on(sum, format!("{} {:?}", pipeline.name, pipeline.source).bytes());
    }
    std::env::temp_dir().join(format!("expressway-{sum:016x}.suspects"))
}
