//! Which paths and computations an evaluation may take the short way through: no sequence between
//! the steps of a path, no item for what is only computed with.

use super::item::Item;
use super::program::{
    Call, Flow, FlowId, Fold, Group, NameId, Node, NodeId, Pass, Path, PathId, Plain, Program,
    Span, Stage, Start, Step, Test,
};
use crate::value::Key;

/// The functions that need no sequence of what they take.
const FOLDS: [(&str, Fold); 5] = [
    ("sum", Fold::Sum),
    ("average", Fold::Average),
    ("max", Fold::Max),
    ("min", Fold::Min),
    ("count", Fold::Count),
];

/// The functions that only ask how what they take comes out.
const TESTS: [(&str, Test); 3] =
    [("exists", Test::Exists), ("boolean", Test::Boolean), ("not", Test::Not)];

/// May the node be worth something that takes neither sequences nor functions? Its operands are in
/// the program already.
pub(super) fn is_direct(program: &Program, node: &Node) -> bool {
    let is = |id: &NodeId| program.are_direct[id.index()];
    let all = |span: Span| program.children[span.indexes()].iter().all(is);
    match node {
        Node::Constant(_)
        | Node::Number(_)
        | Node::Context
        | Node::Variable(_)
        | Node::Field(_)
        | Node::Name(..)
        | Node::Plain(_) => true,
        Node::Arithmetic(_, a, b)
        | Node::Order(_, a, b)
        | Node::Equal(a, b)
        | Node::Unequal(a, b)
        | Node::And(a, b)
        | Node::Or(a, b) => is(a) && is(b),
        Node::Condition(a, b, c) => is(a) && is(b) && c.as_ref().is_none_or(is),
        Node::Concat(operands) => all(*operands),
        Node::Object(group) => {
            let Group { pairs, has_fixed_keys, .. } = program.groups[group.index()];
            let is_flow = |id: &NodeId| matches!(program.nodes[id.index()], Node::Flow(_));
            let pairs = &program.children[pairs.indexes()];
            has_fixed_keys && pairs.iter().all(|id| is(id) || is_flow(id))
        }
        Node::Call(call) => {
            let call = program.calls[call.index()];
            call.fold.is_some() || call.test.is_some()
        }
        _ => false,
    }
}

/// May a node that is direct write text while it is evaluated?
pub(super) fn makes_text(program: &Program, node: &Node) -> bool {
    let does = |id: &NodeId| program.make_text[id.index()];
    match node {
        Node::Concat(_) | Node::Object(_) => true,
        Node::Arithmetic(_, a, b)
        | Node::Order(_, a, b)
        | Node::Equal(a, b)
        | Node::Unequal(a, b)
        | Node::And(a, b)
        | Node::Or(a, b) => does(a) || does(b),
        Node::Condition(a, b, c) => does(a) || does(b) || c.as_ref().is_some_and(does),
        Node::Call(call) => {
            let Call { fold, test, .. } = program.calls[call.index()];
            if test.is_some_and(|(_, arg)| does(&arg)) {
                return true;
            }
            let passes = fold.map(|(_, flow)| program.flows[flow.index()].passes);
            let passes = passes.map_or(&[][..], |passes| &program.passes[passes.indexes()]);
            passes.iter().any(|pass| match pass {
                Pass::Key(_) => false,
                Pass::Filter(id) | Pass::Make(id) => does(id),
                Pass::Compare(.., id) | Pass::Calculate(.., id) => does(id),
            })
        }
        _ => false,
    }
}

/// How many nodes a node that is direct takes.
fn weight(program: &Program, id: NodeId) -> u32 {
    let of = |id: NodeId| weight(program, id);
    let all = |span: Span| program.children[span.indexes()].iter().map(|id| of(*id)).sum();
    let inner: u32 = match program.nodes[id.index()] {
        Node::Arithmetic(_, a, b)
        | Node::Order(_, a, b)
        | Node::Equal(a, b)
        | Node::Unequal(a, b)
        | Node::And(a, b)
        | Node::Or(a, b) => of(a) + of(b),
        Node::Condition(a, b, c) => of(a) + of(b) + c.map_or(0, of),
        Node::Concat(operands) => all(operands),
        Node::Object(group) => all(program.groups[group.index()].pairs),
        _ => 0,
    };
    inner.saturating_add(1)
}

/// The path as a flow, if it is one.
pub(super) fn of(program: &mut Program, id: PathId) -> Option<FlowId> {
    let Path { steps, group, keep_singleton, is_tuple, .. } = program.paths[id.index()];
    if group.is_some() || keep_singleton || is_tuple {
        return None;
    }
    let steps = &program.steps[steps.indexes()];
    let (start, rest) = match program.nodes[steps[0].node.index()] {
        Node::Root if is_bare(&steps[0]) => (Start::Root, &steps[1..]),
        Node::Context if is_bare(&steps[0]) => (Start::Context, &steps[1..]),
        Node::Variable(name) if is_bare(&steps[0]) => (Start::Variable(name), &steps[1..]),
        _ => (Start::Context, steps),
    };
    let mut passes = Vec::new();
    for (at, step) in rest.iter().enumerate() {
        push_passes(program, step, at + 1 == rest.len(), &mut passes)?;
    }
    let weight = passes.iter().map(|pass| match pass {
        Pass::Key(_) => 1,
        Pass::Filter(node) | Pass::Make(node) => weight(program, *node),
        Pass::Compare(.., node) | Pass::Calculate(.., node) => weight(program, *node),
    });
    let weight = weight.fold(1, u32::saturating_add);
    let start_of_passes = program.passes.len() as u32;
    let passes_span = Span { start: start_of_passes, len: passes.len() as u32 };
    program.passes.extend(passes);
    program.flows.push(Flow { start, passes: passes_span, weight, path: id });
    Some(FlowId(program.flows.len() as u32 - 1))
}

/// Is there nothing to the step but its node?
fn is_bare(step: &Step) -> bool {
    is_simple(step) && step.stages.len == 0
}

/// Are filters all that there is to the step beside its node?
fn is_simple(step: &Step) -> bool {
    let Step { sort, focus, index, ancestor, is_tuple, is_cons, .. } = step;
    sort.is_none()
        && focus.is_none()
        && index.is_none()
        && ancestor.is_none()
        && !is_tuple
        && !is_cons
}

/// What an item goes through in a step; `None`: it is no step of a flow.
fn push_passes(
    program: &Program,
    step: &Step,
    is_last: bool,
    passes: &mut Vec<Pass>,
) -> Option<()> {
    if !is_simple(step) {
        return None;
    }
    match program.nodes[step.node.index()] {
        Node::Field(key) => passes.push(Pass::Key(key)),
        Node::Arithmetic(..) | Node::Concat(_) | Node::Object(_) | Node::Condition(..)
            if is_last && step.stages.len == 0 && program.are_direct[step.node.index()] =>
        {
            passes.push(match program.nodes[step.node.index()] {
                Node::Arithmetic(operator, a, b) => Pass::Calculate(operator, a, b, step.node),
                _ => Pass::Make(step.node),
            });
        }
        _ => return None,
    }
    for stage in &program.stages[step.stages.indexes()] {
        match stage {
            Stage::Filter(node) if program.are_direct[node.index()] => {
                passes.push(filter(program, *node));
            }
            _ => return None,
        }
    }
    Some(())
}

fn filter(program: &Program, id: NodeId) -> Pass {
    if let Node::Order(order, a, b) = program.nodes[id.index()]
        && let Node::Name(key, _) = program.nodes[a.index()]
        && let Node::Number(number) = program.nodes[b.index()]
    {
        return Pass::Compare(key, order, number, id);
    }
    Pass::Filter(id)
}

/// What a call of the function `name` makes of its only argument, a flow.
pub(super) fn fold(program: &Program, name: NameId, args: Span) -> Option<(Fold, FlowId)> {
    let [arg] = program.children[args.indexes()] else { return None };
    let flow = match program.nodes[arg.index()] {
        Node::Flow(flow) => flow,
        Node::Plain(plain) => program.plains[plain.index()].flow,
        _ => return None,
    };
    let name = &*program.names[name.index()];
    FOLDS.iter().find(|(known, _)| *known == name).map(|(_, fold)| (*fold, flow))
}

/// What a call of the function `name` tells of its only argument, which is direct.
pub(super) fn test(program: &Program, name: NameId, args: Span) -> Option<(Test, NodeId)> {
    let [arg] = program.children[args.indexes()] else { return None };
    let name = &*program.names[name.index()];
    let (_, test) = TESTS.iter().find(|(known, _)| *known == name)?;
    program.are_direct[arg.index()].then_some((*test, arg))
}

/// The variable, and the names of the path in it, that the expression is if it is nothing else.
pub(super) fn names(program: &Program, root: NodeId) -> Option<(NameId, Box<[Key]>)> {
    let (name, keys) = match program.nodes[root.index()] {
        Node::Variable(name) => (name, Span::default()),
        Node::Plain(plain) => match program.plains[plain.index()] {
            Plain { start: Start::Variable(name), keys, .. } => (name, keys),
            _ => return None,
        },
        _ => return None,
    };
    let keys = program.plain_keys[keys.indexes()].iter();
    let keys = keys.map(|key| program.keys[key.index()].clone()).collect();
    matches!(program.functions[name.index()], Item::Nothing).then_some((name, keys))
}

/// Replaces `$name.member` by variables `name.member`, if no more is read or set of `$name`; says
/// whether it did.
pub(super) fn split(program: &mut Program, name: &str) -> bool {
    let Some(name) = program.names.iter().position(|known| &**known == name) else { return false };
    let name = NameId(name as u32);
    let is_it = |node: &Node| matches!(node, Node::Variable(found) if *found == name);
    let is_set = program.params.contains(&name)
        || program.nodes.iter().any(|node| matches!(node, Node::Bind(set, _) if *set == name))
        || program.steps.iter().any(|step| step.focus == Some(name) || step.index == Some(name));
    let splits = |path: &Path| match &program.steps[path.steps.indexes()] {
        [first, second, ..] => {
            is_it(&program.nodes[first.node.index()])
                && is_bare(first)
                && matches!(program.nodes[second.node.index()], Node::Field(_))
                && second.sort.is_none()
                && !second.is_tuple
        }
        _ => false,
    };
    let paths: Vec<usize> =
        (0..program.paths.len()).filter(|at| splits(&program.paths[*at])).collect();
    let uses = program.nodes.iter().filter(|node| is_it(node)).count();
    if is_set || uses != paths.len() {
        return false;
    }
    paths.into_iter().for_each(|at| split_path(program, name, at));
    // Nobody is asked for it any more.
    program.names[name.index()] = "".into();
    true
}

/// Makes a path begin with the variable that its first two steps stand for.
fn split_path(program: &mut Program, name: NameId, at: usize) {
    let path = &mut program.paths[at];
    path.steps.start += 1;
    path.steps.len -= 1;
    let second = &mut program.steps[path.steps.start as usize];
    let Node::Field(key) = program.nodes[second.node.index()] else { return };
    let member = format!("{}.{}", program.names[name.index()], program.keys[key.index()].name());
    let member = name_of(&mut program.names, &mut program.functions, member);
    program.positions.push(program.positions[second.node.index()]);
    program.are_direct.push(true);
    program.make_text.push(false);
    program.nodes.push(Node::Variable(member));
    second.node = NodeId(program.nodes.len() as u32 - 1);
    for flow in program.flows.iter_mut().filter(|flow| flow.path.index() == at) {
        flow.start = Start::Variable(member);
        flow.passes.start += 1;
        flow.passes.len -= 1;
    }
    for plain in program.plains.iter_mut().filter(|plain| plain.path.index() == at) {
        plain.start = Start::Variable(member);
        plain.keys.start += 1;
        plain.keys.len -= 1;
    }
}

fn name_of(names: &mut Vec<Box<str>>, functions: &mut Vec<Item>, name: String) -> NameId {
    let known = names.iter().position(|known| **known == *name);
    let at = known.unwrap_or_else(|| {
        names.push(name.into());
        functions.push(Item::Nothing);
        names.len() - 1
    });
    NameId(at as u32)
}

#[cfg(test)]
mod tests;
