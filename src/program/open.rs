//! A definition's file, or the state machine within a template, as a tree: `flow.asl.json`,
//! `flow.asl.yaml`, `template.yaml#Orders`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Program;
use super::compile::{Options, compile_tree, version};
use crate::asl::cloudformation::{self, Body, Machine};
use crate::asl::diagnostics::Diagnostics;
use crate::asl::excerpt::render;
use crate::asl::source::{self, Format, Mode, Node, Substitutions};
use crate::fault::Diagnostic;

/// A definition that was read and not compiled yet.
#[derive(Debug)]
pub struct Opened {
    /// What findings are about: the file, or `template.yaml#Orders` where a template's functions
    /// made the text.
    pub shown: String,
    /// The text that findings point into.
    pub text: String,
    /// The definition; none where the text could not be read.
    pub root: Option<Node>,
    findings: Diagnostics,
    version: u64,
}

impl Opened {
    /// Compiles it.
    pub fn compile(self, options: &Options<'_>) -> Definition {
        let Opened { shown, text, root, findings, version } = self;
        let (program, findings) = compile_tree(root.as_ref(), version, options, findings);
        Definition { shown, text, program, findings }
    }
}

/// A definition that was read and compiled.
#[derive(Debug)]
pub struct Definition {
    /// What findings are about: the file, or the template and the state machine in it.
    pub shown: String,
    /// The text that findings point into.
    pub text: String,
    /// None where there are errors.
    pub program: Option<Program>,
    /// All that there are.
    pub findings: Vec<Diagnostic>,
}

impl Definition {
    /// Reads and compiles the definition at a place, as [`open`] takes them.
    pub fn read(place: &Path, options: &Options<'_>) -> io::Result<Definition> {
        Ok(open(place, options)?.compile(options))
    }

    /// Findings about it for a person.
    pub fn render(&self, findings: &[Diagnostic]) -> String {
        render(&self.shown, &self.text, findings)
    }
}

/// A place as a file and the name of a state machine within it, if one is named: `template.yaml#A`.
/// A file that is called so is itself meant.
pub fn parts_of(place: &Path) -> (PathBuf, Option<String>) {
    let text = place.to_string_lossy();
    match text.rsplit_once('#') {
        Some((file, name)) if !place.exists() => (file.into(), Some(name.to_owned())),
        _ => (place.to_owned(), None),
    }
}

/// Opens a definition. A template is told by its `Resources`, or by a name behind `#`.
pub fn open(place: &Path, options: &Options<'_>) -> io::Result<Opened> {
    let (file, name) = parts_of(place);
    let text = bytes_of(&file, options)?;
    let shown = file.to_string_lossy().into_owned();
    let format = Format::of(&shown, &text);
    if let Some(template) = template(&text, format, options) {
        return Ok(within(&file, text, template, name.as_deref().unwrap_or_default(), options));
    }
    if let Some(name) = name {
        let message = format!("{shown} is no template that could have a state machine {name:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(opened(shown, text, format, options.substitutions, options))
}

/// A file's bytes; of one that is too large, one more than is taken, which tells it.
fn bytes_of(file: &Path, options: &Options<'_>) -> io::Result<Vec<u8>> {
    let most = options.source.bytes as u64 + 1;
    let mut bytes = Vec::new();
    File::open(file)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The state machines in a template, each as a place to open; none where it is none.
pub fn machines_in(file: &Path, options: &Options<'_>) -> io::Result<Vec<PathBuf>> {
    let text = bytes_of(file, options)?;
    let format = Format::of(&file.to_string_lossy(), &text);
    let root = template(&text, format, options).and_then(|(root, _)| root);
    let names = root.iter().flat_map(cloudformation::names);
    Ok(names.map(|name| format!("{}#{name}", file.display()).into()).collect())
}

/// The text's tree and what was found in it, if it is a template; one that can't be read is told by
/// the types of its resources.
fn template(
    text: &[u8],
    format: Format,
    options: &Options<'_>,
) -> Option<(Option<Node>, Diagnostics)> {
    let has = |word: &str| text.windows(word.len()).any(|window| window == word.as_bytes());
    // Other definitions need not be read twice.
    if !has("Resources") {
        return None;
    }
    let findings = Diagnostics::new();
    let root = source::read_as(Mode::Template, text, format, options.source, &findings);
    let is_template = match &root {
        Some(root) => cloudformation::is_template(root),
        None => cloudformation::TYPES.iter().any(|kind| has(kind)),
    };
    is_template.then_some((root, findings))
}

/// The text as a definition.
fn opened(
    shown: String,
    text: Vec<u8>,
    format: Format,
    substitutions: &Substitutions,
    options: &Options<'_>,
) -> Opened {
    let findings = Diagnostics::new();
    let root = source::read_as(Mode::Fill(substitutions), &text, format, options.source, &findings);
    let has_placeholders = text.windows(2).any(|window| window == b"${");
    let filled = root.as_ref().filter(|_| has_placeholders).map(Node::to_json_text);
    let version = version(&[&text, filled.unwrap_or_default().as_bytes()]);
    let text = String::from_utf8_lossy(&text).into_owned();
    Opened { shown, text, root, findings, version }
}

/// The state machine `name` of a template.
fn within(
    file: &Path,
    text: Vec<u8>,
    (root, findings): (Option<Node>, Diagnostics),
    name: &str,
    options: &Options<'_>,
) -> Opened {
    let shown = file.to_string_lossy().into_owned();
    let template = String::from_utf8_lossy(&text).into_owned();
    let machine = root
        .and_then(|root| cloudformation::machine(&root, name, options.substitutions, &findings));
    let unreadable =
        |findings, text| Opened { shown: shown.clone(), text, root: None, findings, version: 0 };
    let Some(Machine { name, body, substitutions }) = machine else {
        return unreadable(findings, template);
    };
    match body {
        Body::Tree(tree) => {
            let root = source::fill_tree(tree, &substitutions, options.source, &findings);
            let json = root.as_ref().map(Node::to_json_text).unwrap_or_default();
            let version = version(&[json.as_bytes()]);
            Opened { shown, text: template, root, findings, version }
        }
        _ if findings.has_errors() => unreadable(findings, template),
        Body::Text(text) => {
            let (shown, format) = (format!("{shown}#{name}"), Format::of_text(text.as_bytes()));
            opened(shown, text.into_bytes(), format, &substitutions, options)
        }
        Body::File { places, location, complaint } => {
            let folder = file.parent().unwrap_or(Path::new(""));
            let read = |place: &String| {
                let path = folder.join(place);
                bytes_of(&path, options)
                    .ok()
                    .map(|text| (path.to_string_lossy().into_owned(), text))
            };
            let Some((shown, text)) = places.iter().find_map(read) else {
                findings.error(crate::asl::codes::UNREADABLE_FILE, complaint, location);
                return unreadable(findings, template);
            };
            let format = Format::of(&shown, &text);
            opened(shown, text, format, &substitutions, options)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
Parameters: {Seconds: {Type: Number, Default: 3}}
Resources:
  F: {Type: AWS::Lambda::Function}
  Tree:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionSubstitutions: {Function: !GetAtt F.Arn}
      Definition:
        StartAt: A
        States:
          A: {Type: Task, Resource: "${Function}", Next: B}
          B: {Type: Wait, Seconds: !Ref Seconds, Nxet: C, End: true}
  Text:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionString: !Sub |
        {"StartAt": "A", "States": {"A": {"Type": "Task",
          "Resource": "${F.Arn}", "End": true}}}
  File:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: flow.asl.json
      DefinitionSubstitutions: {Seconds: !Ref Seconds}
"#;

    #[test]
    fn machines_in_templates_compile() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("template.yaml");
        std::fs::write(&file, TEMPLATE).expect("it can be written");
        let flow = r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": ${Seconds},
            "Comment": "${anything}", "End": true}}}"#;
        std::fs::write(folder.path().join("flow.asl.json"), flow).expect("it can be written");
        let options = Options::default();
        let places = machines_in(&file, &options).expect("it can be read");
        let compile = |place: &Path| {
            let read = Definition::read(place, &options).expect("it is there");
            let shown = read.shown.rsplit('/').next().unwrap_or_default().to_owned();
            (shown, (read.program, read.findings))
        };
        let (shown, (_, findings)) = compile(&places[0]);
        let found: Vec<_> =
            findings.iter().map(|f| (f.code, f.location.line, &*f.location.pointer)).collect();
        assert_eq!(found, [(crate::asl::codes::UNKNOWN_FIELD, 13, "/States/B/Nxet")]);
        assert_eq!(shown, "template.yaml");
        let (shown, (program, findings)) = compile(&places[1]);
        let program = program.unwrap_or_else(|| panic!("{findings:?}"));
        assert!(program.resources[0].arn.ends_with(":function:F"));
        assert_eq!(shown, "template.yaml#Text");
        let (shown, (program, findings)) = compile(&places[2]);
        assert!(program.is_some() && shown == "flow.asl.json", "{shown} {findings:?}");
        let (_, (none, findings)) = compile(&file);
        assert!(none.is_none() && findings[0].message.contains("Tree, Text, File"), "{findings:?}");
    }

    #[test]
    fn definitions_in_s3_are_looked_for_beside_the_template() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let template = "Resources:\n  M:\n    Type: AWS::StepFunctions::StateMachine\n    \
                        Properties:\n      DefinitionS3Location: ";
        let flow = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
        let file = folder.path().join("template.yaml");
        let read = |location: &str| {
            std::fs::write(&file, format!("{template}{location}\n")).expect("it can be written");
            let read = Definition::read(&file, &Options::default()).expect("it is there");
            (read.program.is_some(), read.findings)
        };
        let (is_there, findings) = read("{Bucket: b, Key: flow.asl.json}");
        assert!(!is_there && findings[0].message.contains("s3://b/flow.asl.json"), "{findings:?}");
        assert_eq!(findings[0].location.line, 5);
        std::fs::create_dir(folder.path().join("b")).expect("a folder can be made");
        let flow_file = folder.path().join("b/flow.asl.json");
        std::fs::write(&flow_file, flow).expect("it can be written");
        assert!(read("{Bucket: b, Key: flow.asl.json}").0 && read("s3://b/flow.asl.json").0);
        std::fs::rename(flow_file, folder.path().join("flow.asl.json")).expect("it is there");
        assert!(read("{Bucket: b, Key: flow.asl.json}").0 && read("flow.asl.json").0);
    }

    #[test]
    fn what_is_wrong_in_a_template_is_told() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("template.yaml");
        let template = "Resources:\n  M:\n    Type: AWS::StepFunctions::StateMachine\n    \
                        Properties:\n      Definition: {StartAt: A, States: {A: {Type: Succeed}}}\n";
        let read = |text: &str| {
            std::fs::write(&file, text).expect("it can be written");
            Definition::read(&file, &Options::default()).expect("it is there").findings
        };
        let found = read(&format!("{template}      Definition: [${{Any}}\n"));
        assert_eq!((found.len(), found[0].code), (1, crate::asl::codes::INVALID_YAML), "{found:?}");
        let found = read(&format!("{template}Resources: {{}}\n{template}"));
        assert!(found.iter().any(|it| it.code == crate::asl::codes::DUPLICATE_FIELD), "{found:?}");
    }

    #[test]
    fn what_has_no_value_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("flow.yaml");
        let text = "StartAt: A\nStates:\n  A:\n    Type: Task\n    Resource: ${Function}\n    \
                    TimeoutSeconds: ${Timeout}\n    End: true\n";
        std::fs::write(&file, text).expect("it can be written");
        let mut substitutions = Substitutions::none();
        substitutions.set("Timeout", "20");
        let options = Options { substitutions: &substitutions, ..Options::default() };
        let findings = Definition::read(&file, &options).expect("it is there").findings;
        let found: Vec<_> =
            findings.iter().map(|f| (f.code, f.location.line, &*f.location.pointer)).collect();
        let unresolved = crate::asl::codes::UNRESOLVED_PLACEHOLDER;
        assert_eq!(found, [(unresolved, 5, "/States/A/Resource")]);
    }
}
