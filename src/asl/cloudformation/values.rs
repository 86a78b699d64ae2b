//! A template's functions, resolved: `Ref`, `Fn::GetAtt`, `Fn::Sub`, `Fn::Join`, `Fn::Select`,
//! `Fn::Split`, `Fn::FindInMap`, `Fn::ToJsonString`, and `Fn::If` with the template's `Conditions`.

use super::arn;
use crate::asl::codes;
use crate::asl::diagnostics::Diagnostics;
use crate::asl::source::placeholders::fill;
use crate::asl::source::{Member, Node, NodeKind, Place, Substitutions};

/// What a `Ref` to stands for a property that is not there.
const NO_VALUE: &str = "AWS::NoValue";
/// Conditions within each other.
const CONDITION_DEPTH_MAX: usize = 64;

/// What a template knows.
pub(super) struct Values<'a> {
    root: &'a Node,
    given: &'a Substitutions,
    diagnostics: &'a Diagnostics,
}

impl<'a> Values<'a> {
    pub(super) fn new(
        root: &'a Node,
        given: &'a Substitutions,
        diagnostics: &'a Diagnostics,
    ) -> Values<'a> {
        Values { root, given, diagnostics }
    }

    /// The tree with its functions replaced by their values, each where its function stood.
    pub(super) fn tree(&self, place: &Place<'_>) -> Node {
        let place = &self.chosen(place);
        let span = place.node.span;
        let kind = match &place.node.kind {
            NodeKind::Object(members) => {
                if let Some(value) = self.function(place) {
                    return value.moved_to(span);
                }
                let member = |member: &Member| {
                    let Member { name, name_span, value } = member;
                    let value = self.chosen(&place.below(name, value));
                    let name = name.clone();
                    (!is_absent(value.node)).then(|| {
                        let value = self.tree(&value);
                        Member { name, name_span: *name_span, value }
                    })
                };
                NodeKind::Object(members.iter().filter_map(member).collect())
            }
            NodeKind::Array(list) => {
                let places = (0..list.len()).filter_map(|index| place.element(index));
                let places = places.map(|place| self.chosen(&place));
                let there = places.filter(|place| !is_absent(place.node));
                NodeKind::Array(there.map(|place| self.tree(&place)).collect())
            }
            kind => kind.clone(),
        };
        Node { kind, span }
    }

    /// The value as text; an object or array as JSON.
    pub(super) fn text(&self, place: &Place<'_>) -> Option<String> {
        let node = self.tree(place);
        match node.kind {
            NodeKind::String(text) => Some(text),
            NodeKind::Null => None,
            _ => Some(node.to_json_text()),
        }
    }

    /// The value of an object that is a function; null, reported, where it can't be told.
    fn function(&self, place: &Place<'_>) -> Option<Node> {
        let [Member { name, .. }] = place.node.as_object()? else { return None };
        let argument = place.member(name)?;
        let text = |text: String| NodeKind::String(text);
        let kind = match name.as_str() {
            "Ref" => argument.node.as_str().and_then(|name| self.named(name, &argument)),
            "Fn::GetAtt" => dotted(argument.node).and_then(|name| self.named(&name, &argument)),
            "Fn::Sub" => self.substituted(&argument).map(text),
            "Fn::Join" => self.joined(&argument).map(text),
            "Fn::Select" => self.selected(&argument),
            "Fn::Split" => self.split(&argument),
            "Fn::FindInMap" => self.mapped(&argument),
            "Fn::ToJsonString" => Some(text(self.tree(&argument).to_json_text())),
            "Fn::If" => None,
            _ if name.starts_with("Fn::") => self.unresolved(name, &argument),
            _ => return None,
        };
        let kind = kind.unwrap_or_else(|| {
            let message = format!("{name} is not given what it takes; see CloudFormation's guide.");
            self.diagnostics.error(codes::INVALID_TEMPLATE_FILE, message, argument.location());
            NodeKind::Null
        });
        Some(Node { kind, span: place.node.span })
    }

    /// The branch that a `Fn::If` takes, and that of one within it; anything else as it is.
    fn chosen<'p>(&self, place: &Place<'p>) -> Place<'p> {
        let mut place = place.clone();
        while let Some([Member { name, value, .. }]) = place.node.as_object()
            && name == "Fn::If"
            && let Some([condition, _, _]) = value.as_array()
            && let Some(condition) = condition.as_str()
        {
            let argument = place.below(name, value);
            let holds = self.condition(condition, &argument, 0).unwrap_or_default();
            match argument.element(if holds { 1 } else { 2 }) {
                Some(branch) => place = branch,
                None => break,
            }
        }
        place
    }

    /// Does that condition of the template hold? `None` where that can't be told, which is reported.
    fn condition(&self, name: &str, place: &Place<'_>, depth: usize) -> Option<bool> {
        let root = Place::root(self.root);
        let found = root.member("Conditions").and_then(|all| all.member(name));
        match found.filter(|_| depth < CONDITION_DEPTH_MAX) {
            Some(condition) => self.holds(&condition, depth + 1),
            None => {
                let message = format!("The template has no condition {name:?} that can be told.");
                self.diagnostics.error(codes::INVALID_TEMPLATE_FILE, message, place.location());
                None
            }
        }
    }

    /// `Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not`, `Condition`
    fn holds(&self, place: &Place<'_>, depth: usize) -> Option<bool> {
        let Some([Member { name, value, .. }]) = place.node.as_object() else {
            return self.no_condition(place);
        };
        let argument = place.below(name, value);
        let count = value.as_array().map_or(0, <[Node]>::len);
        let parts = (0..count).filter_map(|index| argument.element(index));
        match (name.as_str(), count) {
            ("Fn::Equals", 2) => {
                let texts: Vec<String> =
                    parts.map(|part| self.tree(&part).to_json_text()).collect();
                let unquoted = |text: &String| text.trim_matches('"').to_owned();
                Some(unquoted(&texts[0]) == unquoted(&texts[1]))
            }
            ("Fn::Not", 1) => Some(!self.holds(&argument.element(0)?, depth)?),
            // All are looked at: each may have something to report.
            ("Fn::And" | "Fn::Or", 1..) => {
                let all: Option<Vec<bool>> = parts.map(|part| self.holds(&part, depth)).collect();
                let is_and = name == "Fn::And";
                Some(if is_and { !all?.contains(&false) } else { all?.contains(&true) })
            }
            ("Condition", _) if value.as_str().is_some() => {
                self.condition(value.as_str().unwrap_or_default(), &argument, depth)
            }
            _ => self.no_condition(place),
        }
    }

    fn no_condition(&self, place: &Place<'_>) -> Option<bool> {
        let message = "A condition is Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition.";
        self.diagnostics.error(codes::INVALID_TEMPLATE_FILE, message, place.location());
        None
    }

    /// `Name`, `AWS::Region`, `Function.Arn`: given, a parameter's default, or a resource.
    fn named(&self, name: &str, place: &Place<'_>) -> Option<NodeKind> {
        if let Some(value) = self.given.given(name) {
            return Some(NodeKind::String(value.to_owned()));
        }
        let pseudo = match name {
            "AWS::Region" => Some(arn::REGION),
            "AWS::AccountId" => Some(arn::ACCOUNT),
            "AWS::Partition" => Some("aws"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            "AWS::StackName" => Some("stack"),
            _ => None,
        };
        if let Some(value) = pseudo {
            return Some(NodeKind::String(value.to_owned()));
        }
        if let Some(parameter) = self.root.get("Parameters").and_then(|all| all.get(name)) {
            let Some(default) = parameter.get("Default") else {
                return self.unresolved(name, place);
            };
            return Some(default.kind.clone());
        }
        let (id, attribute) = name.split_once('.').map_or((name, None), |(id, a)| (id, Some(a)));
        let resource = self.root.get("Resources").and_then(|all| all.get(id));
        let Some(kind) = resource.and_then(|it| it.get("Type")).and_then(Node::as_str) else {
            return self.unresolved(name, place);
        };
        Some(NodeKind::String(match attribute {
            Some(attribute) => arn::attribute(kind, id, attribute),
            None => arn::reference(kind, id),
        }))
    }

    /// `"text ${Name}"`, or `["text ${Name}", {"Name": value}]`
    fn substituted(&self, place: &Place<'_>) -> Option<String> {
        let (text, own) = match place.element(0) {
            Some(text) => (text, place.element(1)),
            None => (place.clone(), None),
        };
        let mut value_of = |name: &str| {
            let own = own.as_ref().and_then(|own| own.member(name));
            match own {
                Some(value) => self.text(&value),
                None => self.named(name, &text).and_then(plain),
            }
        };
        Some(fill(text.node.as_str()?, &mut value_of).into_owned())
    }

    /// `[", ", [..]]`
    fn joined(&self, place: &Place<'_>) -> Option<String> {
        let separator = place.element(0)?;
        let list = self.tree(&place.element(1)?);
        let parts = list.as_array()?.iter().map(|part| plain(part.kind.clone()));
        let parts: Vec<String> = parts.map(Option::unwrap_or_default).collect();
        Some(parts.join(separator.node.as_str()?))
    }

    /// `[1, [..]]`
    fn selected(&self, place: &Place<'_>) -> Option<NodeKind> {
        let index: usize = plain(place.element(0)?.node.kind.clone())?.parse().ok()?;
        let list = self.tree(&place.element(1)?);
        list.as_array()?.get(index).map(|node| node.kind.clone())
    }

    /// `[",", "a,b"]`
    fn split(&self, place: &Place<'_>) -> Option<NodeKind> {
        let text = self.text(&place.element(1)?)?;
        let span = place.node.span;
        let node = |part: &str| Node { kind: NodeKind::String(part.to_owned()), span };
        Some(NodeKind::Array(text.split(place.element(0)?.node.as_str()?).map(node).collect()))
    }

    /// `[Map, Key, Key]`
    fn mapped(&self, place: &Place<'_>) -> Option<NodeKind> {
        let key = |index| self.text(&place.element(index)?);
        let (map, first, second) = (key(0)?, key(1)?, key(2)?);
        let found = self.root.get("Mappings")?.get(&map)?.get(&first)?.get(&second);
        match found {
            Some(node) => Some(node.kind.clone()),
            None => self.unresolved(&format!("{map}.{first}.{second}"), place),
        }
    }

    /// What the template can't tell the environment may.
    fn unresolved(&self, name: &str, place: &Place<'_>) -> Option<NodeKind> {
        if let Some(value) = self.given.get(name) {
            return Some(NodeKind::String(value.to_owned()));
        }
        let message = format!(
            "{name} has no value before deployment; give it one with --set {name}=VALUE, or give the \
             parameter a Default."
        );
        self.diagnostics.error(codes::UNRESOLVED_PLACEHOLDER, message, place.location());
        // Told, and so no reason for another complaint.
        Some(NodeKind::Null)
    }
}

/// `{"Ref": "AWS::NoValue"}`
fn is_absent(node: &Node) -> bool {
    node.get("Ref").and_then(Node::as_str) == Some(NO_VALUE)
}

/// `["Function", "Arn"]` or `"Function.Arn"`
fn dotted(node: &Node) -> Option<String> {
    match &node.kind {
        NodeKind::String(text) => Some(text.clone()),
        NodeKind::Array(parts) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Node::as_str).collect();
            Some(parts?.join("."))
        }
        _ => None,
    }
}

fn plain(kind: NodeKind) -> Option<String> {
    match kind {
        NodeKind::String(text) | NodeKind::Number(text) => Some(text),
        NodeKind::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::source::{Format, Limits, Mode, read_as};

    const TEMPLATE: &str = r#"
Parameters: {Wait: {Type: Number, Default: 5}, Open: {Type: String}}
Conditions:
  IsFive: !Equals [!Ref Wait, '5']
  IsEast: !Equals [!Ref 'AWS::Region', us-east-1]
  IsBoth: !And [!Condition IsFive, !Not [!Condition IsEast]]
  IsOpen: !Equals [!Ref Open, x]
  IsRing: !Or [!Condition IsRing, !Condition IsFive]
Mappings: {M: {us-east-1: {x: mapped}}}
Resources: {F: {Type: AWS::Lambda::Function}}
Value:
"#;

    /// What a value in a template comes to, and the findings' pointers.
    fn resolves(value: &str) -> (String, Vec<String>) {
        let mut given = Substitutions::none();
        given.set("Given", "g");
        resolves_with(value, given)
    }

    fn resolves_with(value: &str, given: Substitutions) -> (String, Vec<String>) {
        let text = format!("{TEMPLATE}  {value}\n");
        let diagnostics = Diagnostics::new();
        let (mode, limits) = (Mode::Template, Limits::default());
        let root = read_as(mode, text.as_bytes(), Format::Yaml, limits, &diagnostics);
        let root = root.unwrap_or_else(|| panic!("{text}"));
        let place = Place::root(&root).member("Value").expect("there");
        let json = Values::new(&root, &given, &diagnostics).tree(&place).to_json_text();
        let found = diagnostics.into_vec().into_iter().map(|finding| finding.location.pointer);
        (json, found.collect())
    }

    #[test]
    fn functions_in_both_spellings() {
        let function = "arn:aws:lambda:us-east-1:123456789012:function:F";
        for (value, json) in [
            ("!Ref Wait", "5".to_owned()),
            ("{a: [!GetAtt F.Arn]}", format!("{{\"a\":[\"{function}\"]}}")),
            ("{\"Fn::GetAtt\": [F, Arn]}", format!("{function:?}")),
            ("!Sub 'x-${F}-${Given}-${AWS::Region}-${!F}'", "\"x-F-g-us-east-1-${F}\"".to_owned()),
            ("!Sub ['${a}${Wait}', {a: !Ref F}]", "\"F5\"".to_owned()),
            ("!Join ['', [a, !Ref Given, 1]]", "\"ag1\"".to_owned()),
            ("!Select [1, !Split [',', 'a,b']]", "\"b\"".to_owned()),
            ("!FindInMap [M, !Ref 'AWS::Region', x]", "\"mapped\"".to_owned()),
            ("{Ref: F, b: 1}", "{\"Ref\":\"F\",\"b\":1}".to_owned()),
            ("!If [IsFive, !If [IsBoth, a, !Ref Wait], c]", "5".to_owned()),
            (
                "{a: !If [IsBoth, 1, !Ref 'AWS::NoValue'], b: [!Ref 'AWS::NoValue', 2]}",
                "{\"b\":[2]}".to_owned(),
            ),
        ] {
            assert_eq!(resolves(value), (json, vec![]), "{value}");
        }
    }

    #[test]
    fn the_environment_is_asked_last() {
        let variables = [("Wait", "9"), ("Open", "o"), ("AWS::Region", "e")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let given = Substitutions::of_environment(variables.into_iter());
        let (json, found) = resolves_with("[!Ref Wait, !Ref Open, !Sub '${AWS::Region}']", given);
        assert_eq!((json.as_str(), found.len()), (r#"[5,"o","us-east-1"]"#, 0));
    }

    #[test]
    fn what_has_no_value_is_located() {
        assert_eq!(
            resolves("{a: !Ref Open}"),
            ("{\"a\":null}".into(), vec!["/Value/a/Ref".into()])
        );
        assert_eq!(resolves("!ImportValue x").1, ["/Value/Fn::ImportValue"]);
        assert_eq!(resolves("!Sub '${Gone}'").1, ["/Value/Fn::Sub"]);
        assert_eq!(resolves("!If [IsOpen, 1, 2]").1, ["/Conditions/IsOpen/Fn::Equals/0/Ref"]);
        assert_eq!(resolves("!If [Gone, 1, 2]").1, ["/Value/Fn::If"]);
        assert_eq!(resolves("!If [IsRing, 1, 2]").1.len(), 1);
        for malformed in ["!If [IsFive]", "!Join a", "!Select [9, [a]]", "!GetAtt [[a]]"] {
            assert_eq!(resolves(malformed).1.len(), 1, "{malformed}");
        }
    }
}
