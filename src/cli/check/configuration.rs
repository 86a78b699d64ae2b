//! Checking a configuration: itself, then each pipeline's paths, definition, tasks and mocks.

use std::path::Path;

use super::Report;
use crate::asl::codes;
use crate::cli::definition::Filled;
use crate::config::{self, Config, Key, OutputValue, Pipeline, Place, Property};
use crate::engine::{
    CALLBACK_SETTINGS, Complaint, NOT_COVERED, WINDOW_TOO_SMALL, callback_warnings, ceilings,
    consumer_properties, definitions_of, document_limits, once_warnings, plan_tasks,
    producer_properties, routing_of, substitutions_of, window_warnings,
};
use crate::expr;
use crate::fault::{Diagnostic, Location};
use crate::kafka;
use crate::program::{Definition, Options};

/// The code of a configuration that runs nothing.
const NO_PIPELINE: &str = "NO_PIPELINE";

/// The code of findings about a pipeline's mocks.
const MOCKS: &str = "MOCKS";

/// The code of findings about librdkafka's properties.
const KAFKA_PROPERTY: &str = "KAFKA_PROPERTY";

/// The configuration's report, then those of the definitions that it names.
pub(super) fn check(file: &Path, filled: &Filled) -> Vec<Report> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return vec![Report::unreadable(file, &error)],
    };
    // Excerpts are printed, secrets never.
    let shown = config::without_secrets(&text);
    let config = match config::load(file) {
        Ok(config) => config.with_substitutions(filled.given()),
        Err(diagnostics) => return vec![Report::new(file, shown, diagnostics)],
    };
    let mut checked = Checked {
        text: &text,
        config: Vec::new(),
        definitions: Vec::new(),
        ceilings: String::new(),
    };
    checked.properties(&config.kafka);
    if config.pipeline.is_empty() && checked.config.is_empty() {
        let message = "There is no pipeline to run. Add a [[pipeline]].".to_owned();
        checked.config.push(Diagnostic::warning(NO_PIPELINE, message, Location::default()));
    }
    for (index, pipeline) in config.pipeline.iter().enumerate() {
        let index = index.to_string();
        checked.paths(&index, pipeline);
        checked.definitions(&index, pipeline, &config);
    }
    let Checked { config: findings, definitions, ceilings, .. } = checked;
    let resolved = ceilings + &config.resolved();
    let own = Report { resolved: Some(resolved), ..Report::new(file, shown, findings) };
    std::iter::once(own).chain(definitions).collect()
}

/// What has been found so far.
struct Checked<'a> {
    text: &'a str,
    config: Vec<Diagnostic>,
    definitions: Vec<Report>,
    /// What waits bound, a line each.
    ceilings: String,
}

impl Checked<'_> {
    fn error(&mut self, code: &'static str, keys: &[&str], message: String) {
        let location = config::locate(self.text, keys);
        self.config.push(Diagnostic::error(code, message, location));
    }

    /// librdkafka must know every property and take its value; each is shown to it alone, so that
    /// it answers for all.
    fn properties(&mut self, kafka: &config::Kafka) {
        let tables = [
            ("properties", &kafka.properties),
            ("consumer", &kafka.consumer),
            ("producer", &kafka.producer),
        ];
        for (table, properties) in tables {
            for (name, property) in &properties.0 {
                if let Some(message) = refusal(name, property) {
                    self.error(KAFKA_PROPERTY, &["kafka", table, name], message);
                }
            }
        }
        // Whether they go together is asked once each is right.
        if self.config.is_empty() {
            let (consumer, producer) = (consumer_properties(kafka), producer_properties(kafka));
            let both =
                [kafka::try_consumer(&consumer), kafka::try_producer(&producer)].map(Result::err);
            let [consumer, producer] = both.map(|error| error.map(|error| error.message));
            let producer = producer.filter(|message| consumer.as_ref() != Some(message));
            for message in [consumer, producer].into_iter().flatten() {
                self.error(KAFKA_PROPERTY, &["kafka"], message);
            }
        }
    }

    /// The paths into outputs must be paths.
    fn paths(&mut self, index: &str, pipeline: &Pipeline) {
        let output = &pipeline.output;
        let path_of = |place: &'_ Option<Place>| match place {
            Some(Place::Path(path)) => Some(path.clone()),
            Some(Place::Fixed(_)) | None => None,
        };
        let (topic, queue_url) = (path_of(&output.topic), path_of(&output.queue_url));
        let key = if let Key::Path(path) = &output.key { Some(path.clone()) } else { None };
        let value = match &output.value {
            OutputValue::Path(path) => Some(path.clone()),
            OutputValue::Output => None,
        };
        let paths = [("topic", topic), ("queue_url", queue_url), ("key", key), ("value", value)];
        for (name, path) in paths {
            let Some(Err(error)) = path.map(|path| expr::Path::parse(&path)) else { continue };
            let message = format!("output.{name} is no path: {}", error.message);
            self.error(codes::INVALID_PATH, &["pipeline", index, "output", name], message);
        }
    }

    /// The rules must compile, the definitions that they name too, and their tasks be answered.
    fn definitions(&mut self, index: &str, pipeline: &Pipeline, config: &Config) {
        let routing = routing_of(pipeline, document_limits(config));
        for Complaint { keys, code, message, within } in routing.err().into_iter().flatten() {
            let keys = below(index, &keys);
            let location = match within {
                Some(at) => config::locate_within(self.text, &keys, at),
                None => config::locate(self.text, &keys),
            };
            self.config.push(Diagnostic::error(code, message, location));
        }
        for (file, keys) in definitions_of(pipeline) {
            self.definition(file, &below(index, &keys), pipeline, config);
        }
    }

    fn definition(&mut self, file: &Path, keys: &[&str], pipeline: &Pipeline, config: &Config) {
        let substitutions = substitutions_of(pipeline);
        let (documents, substitutions) = (document_limits(config), &substitutions);
        let strict_express = pipeline.strict_aws;
        let options = Options { documents, substitutions, strict_express, ..Options::default() };
        let definition = match Definition::read(file, &options) {
            Ok(definition) => definition,
            Err(error) => {
                let message = format!("The definition {} can't be read: {error}.", file.display());
                return self.error(codes::UNREADABLE_FILE, keys, message);
            }
        };
        let Definition { shown, text, program, mut findings } = definition;
        if let Some(program) = &program {
            let of_pipeline = |rest: &[&'static str]| [&keys[..2], rest].concat();
            for message in window_warnings(config, pipeline, program) {
                let keys = of_pipeline(&["source", "expected_rate"]);
                let location = config::locate(self.text, &keys);
                self.config.push(Diagnostic::warning(WINDOW_TOO_SMALL, message, location));
            }
            for message in once_warnings(config, pipeline, program) {
                let location = config::locate(self.text, &of_pipeline(&["delivery"]));
                self.config.push(Diagnostic::warning(NOT_COVERED, message, location));
            }
            for message in callback_warnings(config, program, &text) {
                let location = config::locate(self.text, &["callbacks"]);
                self.config.push(Diagnostic::warning(CALLBACK_SETTINGS, message, location));
            }
            for line in ceilings(config, pipeline, program) {
                self.ceilings.push_str(&format!("# {line}\n"));
            }
            if let Err(unanswered) = plan_tasks(config, pipeline, file, program) {
                findings.extend(unanswered.definition);
                for message in unanswered.mocks {
                    self.error(MOCKS, &of_pipeline(&["mocks"]), message);
                }
            }
        }
        self.definitions.push(Report::new(Path::new(&shown), text, findings));
    }
}

/// Keys of a pipeline's settings, from the file's top.
fn below<'a>(index: &'a str, keys: &'a [String]) -> Vec<&'a str> {
    ["pipeline", index].into_iter().chain(keys.iter().map(String::as_str)).collect()
}

/// What librdkafka says against a property. Names and values are the same for all clients.
fn refusal(name: &str, property: &Property) -> Option<String> {
    let alone = [(name.to_owned(), property.expose().to_owned())].into();
    let message = kafka::consumer_config(&alone, &[]).err()?.message;
    // The library's words may repeat the value.
    Some(match property {
        Property::Secret(secret) if message.contains(secret.expose()) => {
            format!("Kafka property {name:?} was refused for its value, which is secret.")
        }
        _ => message,
    })
}
