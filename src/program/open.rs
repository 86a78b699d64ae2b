//! A definition's file, or the state machine within a template, as a tree: `flow.asl.json`,
//! `flow.asl.yaml`, `template.yaml#Orders`.

use std::io;
use std::path::{Path, PathBuf};

use super::compile::{Compiled, Options, compile_tree, version};
use crate::asl::cloudformation::{self, Body, Machine};
use crate::asl::diagnostics::Diagnostics;
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
    /// Compiles it. The findings are all there are.
    pub fn compile(self, options: &Options<'_>) -> (String, String, Compiled) {
        let Opened { shown, text, root, findings, version } = self;
        let compiled = compile_tree(root.as_ref(), version, options, findings);
        (shown, text, compiled)
    }

    /// What was found in reading it.
    pub fn into_findings(self) -> Vec<Diagnostic> {
        self.findings.into_vec()
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
    let text = std::fs::read(&file)?;
    let shown = file.to_string_lossy().into_owned();
    let format = Format::of(&shown, &text);
    if let Some(root) = template(&text, format, options) {
        return within(&file, text, &root, name.as_deref().unwrap_or_default(), options);
    }
    if let Some(name) = name {
        let message = format!("{shown} is no template that could have a state machine {name:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(opened(shown, text, format, options.substitutions, options))
}

/// The state machines in a template, each as a place to open; none where it is none.
pub fn machines_in(file: &Path, options: &Options<'_>) -> io::Result<Vec<PathBuf>> {
    let text = std::fs::read(file)?;
    let format = Format::of(&file.to_string_lossy(), &text);
    let root = template(&text, format, options);
    let names = root.iter().flat_map(cloudformation::names);
    Ok(names.map(|name| format!("{}#{name}", file.display()).into()).collect())
}

/// The text's tree, if it is a template.
fn template(text: &[u8], format: Format, options: &Options<'_>) -> Option<Node> {
    // Other definitions need not be read twice.
    let word = b"Resources";
    if !text.windows(word.len()).any(|window| window == word) {
        return None;
    }
    let unwanted = Diagnostics::new();
    let root = source::read_as(Mode::Template, text, format, options.source, &unwanted);
    root.filter(cloudformation::is_template)
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
    root: &Node,
    name: &str,
    options: &Options<'_>,
) -> io::Result<Opened> {
    let findings = Diagnostics::new();
    let shown = file.to_string_lossy().into_owned();
    let template = String::from_utf8_lossy(&text).into_owned();
    let machine = cloudformation::machine(root, name, options.substitutions, &findings);
    let unreadable =
        |findings, text| Opened { shown: shown.clone(), text, root: None, findings, version: 0 };
    let Some(Machine { name, body, substitutions }) = machine else {
        return Ok(unreadable(findings, template));
    };
    match body {
        Body::Tree(tree) => {
            let root = source::fill_tree(tree, &substitutions, options.source, &findings);
            let json = root.as_ref().map(Node::to_json_text).unwrap_or_default();
            let version = version(&[json.as_bytes()]);
            Ok(Opened { shown, text: template, root, findings, version })
        }
        _ if findings.has_errors() => Ok(unreadable(findings, template)),
        Body::Text(text) => {
            let (shown, format) = (format!("{shown}#{name}"), Format::of_text(text.as_bytes()));
            Ok(opened(shown, text.into_bytes(), format, &substitutions, options))
        }
        Body::File(uri, location) => {
            let path = file.parent().unwrap_or(Path::new("")).join(&uri);
            let Ok(text) = std::fs::read(&path) else {
                let message = format!("DefinitionUri {uri:?} names no file that can be read.");
                findings.error(crate::asl::codes::UNREADABLE_FILE, message, location);
                return Ok(unreadable(findings, template));
            };
            let shown = path.to_string_lossy().into_owned();
            let format = Format::of(&shown, &text);
            Ok(opened(shown, text, format, &substitutions, options))
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
            let (shown, _, compiled) =
                open(place, &options).expect("it is there").compile(&options);
            (shown.rsplit('/').next().unwrap_or_default().to_owned(), compiled)
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
    fn what_has_no_value_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("flow.yaml");
        let text = "StartAt: A\nStates:\n  A:\n    Type: Task\n    Resource: ${Function}\n    \
                    TimeoutSeconds: ${Timeout}\n    End: true\n";
        std::fs::write(&file, text).expect("it can be written");
        let mut substitutions = Substitutions::none();
        substitutions.set("Timeout", "20");
        let options = Options { substitutions: &substitutions, ..Options::default() };
        let (_, _, (_, findings)) = open(&file, &options).expect("it is there").compile(&options);
        let found: Vec<_> =
            findings.iter().map(|f| (f.code, f.location.line, &*f.location.pointer)).collect();
        let unresolved = crate::asl::codes::UNRESOLVED_PLACEHOLDER;
        assert_eq!(found, [(unresolved, 5, "/States/A/Resource")]);
    }
}
