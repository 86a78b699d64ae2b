//! The resolved tree to a program. Operations on constants are done here.

use super::ast::{self, Ast, Kind, Slot, StageKind};
use super::error::QueryError;
use super::number::Text;
use super::program::{
    Arithmetic, Call, CallId, Flow, FlowId, Group, GroupId, KeyId, Lambda, LambdaId, NameId, Node,
    NodeId, Order, Pass, Path, PathId, Plain, PlainId, Program, RegexId, Sort, SortId, Span, Stage,
    Start, Step, Term, Transform, TransformId,
};
use super::{Options, flow, functions, pattern, resolve, scope};
use crate::value::{Key, Kind as ValueKind, Scratch, Value};

/// Appends what `text` says to `program`; its constants go to `constants`.
pub(super) fn compile(
    text: &str,
    options: Options,
    program: &mut Program,
    constants: &mut Scratch,
) -> Result<NodeId, QueryError> {
    let ast = super::parser::parse(text, options.has_2_1)?;
    let (ast, slots) = resolve::resolve(ast)?;
    program.input_read = program.input_read.or_else(|| scope::input_read(&ast));
    program.member_read = program.member_read.or_else(|| scope::member_read(&ast));
    Compiler { program, constants, slots, options }.node(&ast)
}

struct Compiler<'a> {
    program: &'a mut Program,
    constants: &'a mut Scratch,
    slots: Vec<Slot>,
    options: Options,
}

type Compiled = Result<NodeId, QueryError>;

/// Appends to a table; the entry's index.
fn append<T>(table: &mut Vec<T>, entry: T) -> u32 {
    table.push(entry);
    (table.len() - 1) as u32
}

/// Appends all to a table.
fn extend<T>(table: &mut Vec<T>, entries: Vec<T>) -> Span {
    let span = Span { start: table.len() as u32, len: entries.len() as u32 };
    table.extend(entries);
    span
}

/// Is it a path that is to stay an array as a whole, `a^(b)[]`?
fn keeps_itself(ast: &Ast) -> bool {
    ast.keep_array && ast.is_path() && ast.group.is_none()
}

impl Compiler<'_> {
    fn emit(&mut self, node: Node, at: u32) -> NodeId {
        self.program.positions.push(at);
        self.program.are_direct.push(flow::is_direct(self.program, &node));
        self.program.make_text.push(flow::makes_text(self.program, &node));
        NodeId(append(&mut self.program.nodes, node))
    }

    fn get(&self, id: NodeId) -> Node {
        self.program.nodes[id.index()]
    }

    fn name(&mut self, name: &str) -> NameId {
        let names = &mut self.program.names;
        if let Some(known) = names.iter().position(|known| &**known == name) {
            return NameId(known as u32);
        }
        self.program.functions.push(functions::find(name, self.options));
        NameId(append(names, name.into()))
    }

    /// The variable that carries what a `%` stands for; `!` keeps it apart from the user's.
    fn parent_name(&mut self, slot: usize) -> NameId {
        let name = format!("!{}", self.slots[slot].label);
        self.name(&name)
    }

    fn key(&mut self, name: &str) -> KeyId {
        let keys = &mut self.program.keys;
        let known = keys.iter().position(|known| known.name() == name);
        KeyId(known.map_or_else(|| append(keys, Key::new(name)), |at| at as u32))
    }

    fn node(&mut self, ast: &Ast) -> Compiled {
        let mut id = self.attached(ast)?;
        if ast.keep_array && !keeps_itself(ast) {
            id = self.emit(Node::Keep(id), ast.at);
        }
        Ok(id)
    }

    /// The node with its filters and its grouping.
    fn attached(&mut self, ast: &Ast) -> Compiled {
        let mut id = self.kind(ast)?;
        if !ast.predicates.is_empty() {
            let stages = self.stages(&ast.predicates)?;
            id = self.emit(Node::Filter(id, stages), ast.at);
        }
        if let (Some(group), false) = (&ast.group, ast.is_path()) {
            let group = self.group(&group.pairs, group.at)?;
            id = self.emit(Node::GroupBy(id, group), ast.at);
        }
        Ok(id)
    }

    fn kind(&mut self, ast: &Ast) -> Compiled {
        let node = match &ast.kind {
            Kind::Null => Node::Constant(Value::NULL),
            Kind::Bool(value) => Node::Constant(Value::bool(*value)),
            Kind::String(text) => Node::Constant(self.constants.string(text)),
            Kind::Number(number) => Node::Number(*number),
            Kind::Regex { pattern, flags } => {
                let regex = pattern::compile(pattern, flags).map_err(|e| e.at(ast.at))?;
                Node::Regex(RegexId(append(&mut self.program.regexes, regex)))
            }
            Kind::Name(name) => Node::Field(self.key(name)),
            Kind::Operator(name) => Node::Field(self.key(name)),
            Kind::Variable(name) => match name.as_str() {
                "" => Node::Context,
                "$" => Node::Root,
                name => Node::Variable(self.name(name)),
            },
            Kind::Wildcard => Node::Wildcard,
            Kind::Descendant => Node::Descendant,
            Kind::Parent(slot) => Node::Parent(self.parent_name(*slot)),
            Kind::Placeholder => Node::Placeholder,
            Kind::Path(steps) => self.path(ast, steps)?,
            Kind::Binary(operator, left, right) => self.binary(operator, left, right)?,
            Kind::Negate(inner) => Node::Negate(self.node(inner)?),
            Kind::Array(items) => {
                Node::Array { items: self.children(items)?, is_cons: ast.is_cons }
            }
            Kind::Object(pairs) => Node::Object(self.group(pairs, ast.at)?),
            Kind::Condition(condition, then, otherwise) => {
                self.condition(condition, then, otherwise.as_deref())?
            }
            Kind::Coalesce(a, b) => Node::Coalesce(self.node(a)?, self.node(b)?),
            Kind::Default(a, b) => Node::Default(self.node(a)?, self.node(b)?),
            Kind::Block(parts) => return self.block(ast, parts),
            Kind::Bind(name, value) => Node::Bind(self.name(name), self.node(value)?),
            Kind::Call { procedure, args, is_tail } => {
                let call = self.call(procedure, args, ast.at)?;
                if *is_tail { Node::TailCall(call) } else { Node::Call(call) }
            }
            Kind::Partial { procedure, args } => Node::Partial(self.call(procedure, args, ast.at)?),
            Kind::Lambda { .. } => self.lambda(ast)?,
            Kind::Apply(left, right) => self.apply(left, right)?,
            Kind::Transform(pattern, update, delete) => {
                let pattern = self.node(pattern)?;
                let update = self.node(update)?;
                let delete = delete.as_ref().map(|delete| self.node(delete)).transpose()?;
                let transform = Transform { pattern, update, delete, at: ast.at };
                Node::Transform(TransformId(append(&mut self.program.transforms, transform)))
            }
            Kind::Sort(_)
            | Kind::Dot(..)
            | Kind::Predicate(..)
            | Kind::GroupBy(..)
            | Kind::OrderBy(..)
            | Kind::Focus(..)
            | Kind::Index(..) => Node::Constant(Value::NULL),
        };
        Ok(self.emit(node, ast.at))
    }

    /// A block; one that only groups is what stands in it.
    fn block(&mut self, ast: &Ast, parts: &[Ast]) -> Compiled {
        let is_bare = ast.predicates.is_empty() && ast.group.is_none() && !ast.keep_array;
        let first = self.program.nodes.len();
        let children = self.children(parts)?;
        if let [part] = parts
            && is_bare
            && !matches!(part.kind, Kind::Array(_) | Kind::Placeholder)
            && !self.program.nodes[first..].iter().any(|node| self.may_bind(node))
        {
            return Ok(self.program.children[children.start as usize]);
        }
        Ok(self.emit(Node::Block(children), ast.at))
    }

    /// Could the node set a variable?
    fn may_bind(&self, node: &Node) -> bool {
        match node {
            Node::Bind(..) => true,
            Node::Variable(name) => &*self.program.names[name.index()] == "eval",
            _ => false,
        }
    }

    fn children(&mut self, parts: &[Ast]) -> Result<Span, QueryError> {
        let ids = parts.iter().map(|part| self.node(part)).collect::<Result<Vec<_>, _>>()?;
        Ok(extend(&mut self.program.children, ids))
    }

    fn path(&mut self, ast: &Ast, steps: &[Ast]) -> Result<Node, QueryError> {
        let is_absolute = matches!(steps[0].kind, Kind::Variable(_));
        let mut compiled = Vec::with_capacity(steps.len());
        for step in steps {
            compiled.push(self.step(step)?);
        }
        let keep_singleton = ast.keep_singleton || keeps_itself(ast);
        let is_plain = !keep_singleton
            && !ast.is_tuple
            && ast.group.is_none()
            && compiled.iter().enumerate().all(|(at, step)| self.is_plain(at, step));
        let first = self.program.steps.len();
        let group = ast.group.as_ref().map(|group| self.group(&group.pairs, group.at));
        let path = Path {
            steps: extend(&mut self.program.steps, compiled),
            group: group.transpose()?,
            keep_singleton,
            is_tuple: ast.is_tuple,
            is_absolute,
        };
        let path_id = PathId(append(&mut self.program.paths, path));
        if is_plain {
            return Ok(self.plain(first, path_id));
        }
        let flow = flow::of(self.program, path_id);
        Ok(flow.map_or(Node::Path(path_id), Node::Flow))
    }

    /// The path of names whose steps begin at `first`.
    fn plain(&mut self, first: usize, path: PathId) -> Node {
        let steps = &self.program.steps[first..];
        let nodes: Vec<Node> = steps.iter().map(|step| self.get(step.node)).collect();
        let start = match nodes[0] {
            Node::Root => Start::Root,
            Node::Variable(name) => Start::Variable(name),
            _ => Start::Context,
        };
        let key = |node: &Node| if let Node::Field(key) = node { Some(*key) } else { None };
        let keys: Vec<KeyId> = nodes.iter().filter_map(key).collect();
        if let (Start::Context, [key]) = (start, &keys[..]) {
            return Node::Name(*key, path);
        }
        let passes = keys.iter().map(|key| Pass::Key(*key)).collect();
        let weight = keys.len() as u32 + 1;
        let passes = extend(&mut self.program.passes, passes);
        let flow = append(&mut self.program.flows, Flow { start, passes, weight, path });
        let keys = extend(&mut self.program.plain_keys, keys);
        let plain = Plain { start, keys, flow: FlowId(flow), path };
        Node::Plain(PlainId(append(&mut self.program.plains, plain)))
    }

    /// Is the step a name, or a variable to start from?
    fn is_plain(&self, at: usize, step: &Step) -> bool {
        let is_bare = step.stages.len == 0 && step.sort.is_none() && !step.is_tuple;
        is_bare
            && match self.get(step.node) {
                Node::Field(_) => true,
                Node::Variable(_) | Node::Context | Node::Root => at == 0,
                _ => false,
            }
    }

    fn step(&mut self, ast: &Ast) -> Result<Step, QueryError> {
        let (node, sort) = match &ast.kind {
            Kind::Sort(terms) => (NodeId(0), Some(self.sort(terms, ast.at)?)),
            _ => (self.attached(ast)?, None),
        };
        Ok(Step {
            node,
            stages: self.stages(&ast.stages)?,
            sort,
            focus: ast.focus.as_ref().map(|name| self.name(name)),
            index: ast.index.as_ref().map(|name| self.name(name)),
            ancestor: ast.ancestor.map(|slot| self.parent_name(slot)),
            is_tuple: ast.is_tuple,
            is_cons: ast.is_cons,
        })
    }

    fn stages(&mut self, stages: &[ast::Stage]) -> Result<Span, QueryError> {
        let mut compiled = Vec::with_capacity(stages.len());
        for stage in stages {
            compiled.push(match &stage.kind {
                StageKind::Filter(Ast { kind: Kind::Number(number), .. }) => Stage::Item(*number),
                StageKind::Filter(filter) => Stage::Filter(self.node(filter)?),
                StageKind::Index(name) => Stage::Index(self.name(name)),
            });
        }
        Ok(extend(&mut self.program.stages, compiled))
    }

    fn sort(&mut self, terms: &[ast::Term], at: u32) -> Result<SortId, QueryError> {
        let mut compiled = Vec::with_capacity(terms.len());
        for term in terms {
            let node = self.node(&term.expression)?;
            compiled.push(Term { node, is_descending: term.is_descending });
        }
        let terms = extend(&mut self.program.terms, compiled);
        Ok(SortId(append(&mut self.program.sorts, Sort { terms, at })))
    }

    fn group(&mut self, pairs: &[(Ast, Ast)], at: u32) -> Result<GroupId, QueryError> {
        let mut ids = Vec::with_capacity(2 * pairs.len());
        for (key, value) in pairs {
            ids.push(self.node(key)?);
            ids.push(self.node(value)?);
        }
        let mut keys = std::collections::HashSet::new();
        let has_fixed_keys = ids.iter().step_by(2).all(|id| match self.get(*id) {
            Node::Constant(key) if key.kind() == ValueKind::String => {
                keys.insert(self.constants.str(key).into_owned())
            }
            _ => false,
        });
        let pairs = extend(&mut self.program.children, ids);
        Ok(GroupId(append(&mut self.program.groups, Group { pairs, has_fixed_keys, at })))
    }

    fn call(&mut self, procedure: &Ast, args: &[Ast], at: u32) -> Result<CallId, QueryError> {
        let (name, is_path) = match &procedure.kind {
            Kind::Variable(name) => (Some(self.name(name)), false),
            Kind::Path(steps) => match &steps[0].kind {
                Kind::Name(name) | Kind::Variable(name) => (Some(self.name(name)), true),
                _ => (None, true),
            },
            _ => (None, false),
        };
        let args = self.children(args)?;
        let procedure = self.node(procedure)?;
        let fold = name.filter(|_| !is_path).and_then(|name| flow::fold(self.program, name, args));
        let test = name.filter(|_| !is_path).and_then(|name| flow::test(self.program, name, args));
        let call = Call { procedure, args, name, is_path, fold, test, at };
        Ok(CallId(append(&mut self.program.calls, call)))
    }

    fn lambda(&mut self, ast: &Ast) -> Result<Node, QueryError> {
        let Kind::Lambda { params, signature, body } = &ast.kind else {
            return Ok(Node::Constant(Value::NULL));
        };
        let names = params.iter().map(|name| self.name(name)).collect();
        let params = extend(&mut self.program.params, names);
        let signature =
            signature.as_ref().map(|it| append(&mut self.program.signatures, (**it).clone()));
        let body = self.node(body)?;
        let lambda = Lambda { params, signature, body };
        Ok(Node::Lambda(LambdaId(append(&mut self.program.lambdas, lambda))))
    }

    fn apply(&mut self, left: &Ast, right: &Ast) -> Result<Node, QueryError> {
        let argument = self.node(left)?;
        if let Kind::Call { procedure, args, .. } = &right.kind {
            return Ok(Node::ApplyCall(argument, self.call(procedure, args, right.at)?));
        }
        Ok(Node::Apply(argument, self.node(right)?))
    }

    fn condition(
        &mut self,
        condition: &Ast,
        then: &Ast,
        otherwise: Option<&Ast>,
    ) -> Result<Node, QueryError> {
        let condition = self.node(condition)?;
        let then = self.node(then)?;
        let otherwise = otherwise.map(|ast| self.node(ast)).transpose()?;
        let is_true =
            matches!(self.get(condition), Node::Constant(it) if it.as_bool() == Some(true));
        Ok(if is_true { self.get(then) } else { Node::Condition(condition, then, otherwise) })
    }

    fn binary(&mut self, operator: &str, left: &Ast, right: &Ast) -> Result<Node, QueryError> {
        let (a, b) = (self.node(left)?, self.node(right)?);
        Ok(match operator {
            "+" => self.arithmetic(Arithmetic::Add, a, b),
            "-" => self.arithmetic(Arithmetic::Subtract, a, b),
            "*" => self.arithmetic(Arithmetic::Multiply, a, b),
            "/" => self.arithmetic(Arithmetic::Divide, a, b),
            "%" => self.arithmetic(Arithmetic::Remainder, a, b),
            "<" => Node::Order(Order::Less, a, b),
            "<=" => Node::Order(Order::LessOrEqual, a, b),
            ">" => Node::Order(Order::Greater, a, b),
            ">=" => Node::Order(Order::GreaterOrEqual, a, b),
            "=" => Node::Equal(a, b),
            "!=" => Node::Unequal(a, b),
            "&" => self.concat(a, b),
            ".." => Node::Range(a, b),
            "in" => Node::In(a, b),
            "and" => Node::And(a, b),
            _ => Node::Or(a, b),
        })
    }

    fn arithmetic(&mut self, operator: Arithmetic, a: NodeId, b: NodeId) -> Node {
        if let (Node::Number(x), Node::Number(y)) = (self.get(a), self.get(b)) {
            let result = operator.of(x, y);
            if result.is_finite() {
                return Node::Number(result);
            }
        }
        Node::Arithmetic(operator, a, b)
    }

    fn concat(&mut self, a: NodeId, b: NodeId) -> Node {
        match (self.constant_text(a), self.constant_text(b)) {
            (Some(x), Some(y)) => Node::Constant(self.constants.string(&(x + &y))),
            _ => self.joined(a, b),
        }
    }

    /// `a & b`, where `a` may be such a thing itself: one node of all operands.
    fn joined(&mut self, a: NodeId, b: NodeId) -> Node {
        let mut operands = match self.get(a) {
            Node::Concat(operands) => self.program.children[operands.indexes()].to_vec(),
            _ => vec![a],
        };
        operands.push(b);
        Node::Concat(extend(&mut self.program.children, operands))
    }

    fn constant_text(&self, id: NodeId) -> Option<String> {
        match self.get(id) {
            Node::Constant(value) if value.kind() == ValueKind::String => {
                Some(self.constants.str(value).into_owned())
            }
            Node::Number(number) => Some(Text::rounded(number).as_str().to_string()),
            _ => None,
        }
    }
}

impl Arithmetic {
    pub fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide => a / b,
            Arithmetic::Remainder => a % b,
        }
    }
}
