//! The second pass over the syntax tree: paths become lists of steps, filters are attached to what
//! they filter, every `%` finds the step it stands for, and calls in tail position are marked.

use super::ast::{Ast, Group, Kind, Parsed, Slot, SlotId, Stage, StageKind, Term};
use super::error::{Code, QueryError};

/// The tree as the compiler wants it, and the slots its `%` use.
pub(super) fn resolve(ast: Ast) -> Result<(Ast, Vec<Slot>), QueryError> {
    let mut resolver = Resolver { slots: Vec::new() };
    let at = ast.at;
    let ast = resolver.node(ast)?;
    if matches!(ast.kind, Kind::Parent(_)) || !ast.seeking.is_empty() {
        return Err(QueryError::new(Code::S0217).at(at));
    }
    Ok((ast, resolver.slots))
}

struct Resolver {
    slots: Vec<Slot>,
}

type Pairs = Vec<(Ast, Ast)>;

impl Resolver {
    fn node(&mut self, ast: Ast) -> Parsed {
        let (at, keep_array) = (ast.at, ast.keep_array);
        let mut result = self.kind(ast)?;
        if result.at == 0 {
            result.at = at;
        }
        result.keep_array |= keep_array;
        Ok(result)
    }

    /// Resolves a node in its box.
    fn boxed(&mut self, mut ast: Box<Ast>) -> Result<Box<Ast>, QueryError> {
        let inner = std::mem::replace(&mut *ast, Ast::new(Kind::Null, 0));
        *ast = self.node(inner)?;
        Ok(ast)
    }

    fn kind(&mut self, mut ast: Ast) -> Parsed {
        let at = ast.at;
        match ast.kind {
            Kind::Dot(left, right) => self.dot(*left, *right, at),
            Kind::Predicate(left, filter) => self.predicate(*left, *filter, at),
            Kind::GroupBy(left, pairs) => self.group_by(*left, pairs, at),
            Kind::OrderBy(left, terms) => self.order_by(*left, terms, at),
            Kind::Focus(left, name) => self.focus(*left, name, at, ast.keep_array),
            Kind::Index(left, name) => self.index(*left, name, at),
            Kind::Name(_) => {
                let keep = ast.keep_array;
                Ok(Ast { keep_singleton: keep, ..Ast::new(Kind::Path(vec![ast]), at) })
            }
            Kind::Operator(name) => {
                ast.kind = Kind::Name(name.into());
                self.kind(ast)
            }
            Kind::Parent(_) => {
                let slot = self.slots.len();
                self.slots.push(Slot { label: slot, level: 1 });
                Ok(Ast::new(Kind::Parent(slot), at))
            }
            Kind::Binary(..) | Kind::Negate(_) | Kind::Apply(..) | Kind::Bind(..) => {
                self.operation(ast)
            }
            Kind::Array(items) => self.array(items, at),
            Kind::Object(pairs) => self.object(pairs, at),
            Kind::Block(parts) => self.block(parts, at),
            Kind::Condition(..) | Kind::Coalesce(..) | Kind::Default(..) => self.choice(ast),
            Kind::Call { .. } | Kind::Partial { .. } => self.call(ast),
            Kind::Lambda { params, signature, body } => {
                let mut body = self.boxed(body)?;
                mark_tail_calls(&mut body);
                Ok(Ast::new(Kind::Lambda { params, signature, body }, at))
            }
            Kind::Transform(pattern, update, delete) => {
                let pattern = self.boxed(pattern)?;
                let update = self.boxed(update)?;
                let delete = delete.map(|delete| self.boxed(delete)).transpose()?;
                Ok(Ast::new(Kind::Transform(pattern, update, delete), at))
            }
            _ => Ok(ast),
        }
    }

    fn dot(&mut self, left: Ast, right: Ast, at: u32) -> Parsed {
        let left = self.node(left)?;
        let mut path = if left.is_path() {
            left
        } else {
            let seeking = if let Kind::Parent(slot) = left.kind { vec![slot] } else { Vec::new() };
            Ast { seeking, ..Ast::new(Kind::Path(vec![left]), at) }
        };
        let mut rest = self.node(right)?;
        let Kind::Path(ref mut steps) = path.kind else { return Ok(path) };
        match rest.kind {
            Kind::Path(more) => steps.extend(more),
            _ => {
                rest.stages.append(&mut rest.predicates);
                steps.push(rest);
            }
        }
        for step in steps.iter_mut() {
            let value = match &mut step.kind {
                Kind::String(name) => {
                    step.kind = Kind::Name(std::mem::take(name));
                    continue;
                }
                Kind::Number(number) => number.to_string(),
                Kind::Bool(value) => value.to_string(),
                Kind::Null => "null".into(),
                _ => continue,
            };
            return Err(QueryError::new(Code::S0213).at(step.at).json("value", value));
        }
        path.keep_singleton |= steps.iter().any(|step| step.keep_array);
        let last = steps.len() - 1;
        for at in [0, last] {
            steps[at].is_cons |= matches!(steps[at].kind, Kind::Array(_));
        }
        self.resolve_path(&mut path)?;
        Ok(path)
    }

    fn predicate(&mut self, left: Ast, filter: Ast, at: u32) -> Parsed {
        let mut result = self.node(left)?;
        let is_path = result.is_path();
        let step = result.last_step();
        if step.group.is_some() {
            return Err(QueryError::new(Code::S0209).at(at));
        }
        let filter = self.node(filter)?;
        for slot in filter.seeking.clone() {
            match self.slots[slot].level {
                1 => self.seek(step, slot)?,
                _ => self.slots[slot].level -= 1,
            }
        }
        if !filter.seeking.is_empty() {
            push_ancestry(step, &filter);
        }
        let stage = Stage { kind: StageKind::Filter(filter) };
        if is_path {
            step.stages.push(stage)
        } else {
            step.predicates.push(stage)
        }
        Ok(result)
    }

    fn group_by(&mut self, left: Ast, pairs: Pairs, at: u32) -> Parsed {
        let mut result = self.node(left)?;
        if result.group.is_some() {
            return Err(QueryError::new(Code::S0210).at(at));
        }
        let mut resolved = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            resolved.push((self.node(key)?, self.node(value)?));
        }
        result.group = Some(Box::new(Group { pairs: resolved, at }));
        Ok(result)
    }

    fn order_by(&mut self, left: Ast, terms: Vec<Term>, at: u32) -> Parsed {
        let left = self.node(left)?;
        let mut path = if left.is_path() { left } else { Ast::new(Kind::Path(vec![left]), at) };
        let mut sort = Ast::new(Kind::Sort(Vec::new()), at);
        let mut resolved = Vec::with_capacity(terms.len());
        for term in terms {
            let expression = self.node(term.expression)?;
            push_ancestry(&mut sort, &expression);
            resolved.push(Term { expression, ..term });
        }
        sort.kind = Kind::Sort(resolved);
        if let Kind::Path(ref mut steps) = path.kind {
            steps.push(sort);
        }
        self.resolve_path(&mut path)?;
        Ok(path)
    }

    fn focus(&mut self, left: Ast, name: String, at: u32, keep_array: bool) -> Parsed {
        let mut result = self.node(left)?;
        let step = result.last_step();
        if !step.stages.is_empty() || !step.predicates.is_empty() {
            return Err(QueryError::new(Code::S0215).at(at));
        }
        if matches!(step.kind, Kind::Sort(_)) {
            return Err(QueryError::new(Code::S0216).at(at));
        }
        step.keep_array |= keep_array;
        step.focus = Some(name);
        step.is_tuple = true;
        Ok(result)
    }

    fn index(&mut self, left: Ast, name: String, at: u32) -> Parsed {
        let mut result = self.node(left)?;
        if !result.is_path() {
            result.stages.append(&mut result.predicates);
            result = Ast::new(Kind::Path(vec![result]), at);
        }
        let step = result.last_step();
        if step.stages.is_empty() {
            step.index = Some(name);
        } else {
            step.stages.push(Stage { kind: StageKind::Index(name) });
        }
        step.is_tuple = true;
        Ok(result)
    }

    fn operation(&mut self, ast: Ast) -> Parsed {
        let at = ast.at;
        match ast.kind {
            Kind::Binary(operator, left, right) => {
                let (left, right) = (self.boxed(left)?, self.boxed(right)?);
                let mut result = Ast::new(Kind::Null, at);
                push_ancestry(&mut result, &left);
                push_ancestry(&mut result, &right);
                result.kind = Kind::Binary(operator, left, right);
                Ok(result)
            }
            Kind::Negate(inner) => {
                let mut inner = self.boxed(inner)?;
                if let Kind::Number(ref mut number) = inner.kind {
                    *number = -*number;
                    return Ok(*inner);
                }
                let mut result = Ast::new(Kind::Null, at);
                push_ancestry(&mut result, &inner);
                result.kind = Kind::Negate(inner);
                Ok(result)
            }
            Kind::Apply(left, right) => {
                let (left, right) = (self.boxed(left)?, self.boxed(right)?);
                let keep_array = left.keep_array || right.keep_array;
                Ok(Ast { keep_array, ..Ast::new(Kind::Apply(left, right), at) })
            }
            Kind::Bind(name, value) => {
                let value = self.boxed(value)?;
                let mut result = Ast::new(Kind::Null, at);
                push_ancestry(&mut result, &value);
                result.kind = Kind::Bind(name, value);
                Ok(result)
            }
            kind => Ok(Ast::new(kind, at)),
        }
    }

    fn array(&mut self, items: Vec<Ast>, at: u32) -> Parsed {
        let mut result = Ast::new(Kind::Null, at);
        let items = self.all(items, &mut result)?;
        result.kind = Kind::Array(items);
        Ok(result)
    }

    fn object(&mut self, pairs: Pairs, at: u32) -> Parsed {
        let mut result = Ast::new(Kind::Null, at);
        let mut resolved = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let key = self.node(key)?;
            push_ancestry(&mut result, &key);
            let value = self.node(value)?;
            push_ancestry(&mut result, &value);
            resolved.push((key, value));
        }
        result.kind = Kind::Object(resolved);
        Ok(result)
    }

    fn block(&mut self, parts: Vec<Ast>, at: u32) -> Parsed {
        let mut result = Ast::new(Kind::Null, at);
        let parts = self.all(parts, &mut result)?;
        result.is_cons = parts.iter().any(|part| match &part.kind {
            Kind::Path(steps) => part.is_cons || steps[0].is_cons,
            _ => part.is_cons,
        });
        result.kind = Kind::Block(parts);
        Ok(result)
    }

    fn all(&mut self, parts: Vec<Ast>, result: &mut Ast) -> Result<Vec<Ast>, QueryError> {
        let mut resolved = Vec::with_capacity(parts.len());
        for part in parts {
            let part = self.node(part)?;
            push_ancestry(result, &part);
            resolved.push(part);
        }
        Ok(resolved)
    }

    fn choice(&mut self, ast: Ast) -> Parsed {
        let mut result = Ast::new(Kind::Null, ast.at);
        result.kind = match ast.kind {
            Kind::Condition(condition, then, otherwise) => {
                let condition = self.boxed(condition)?;
                push_ancestry(&mut result, &condition);
                let then = self.boxed(then)?;
                push_ancestry(&mut result, &then);
                let otherwise = otherwise.map(|ast| self.boxed(ast)).transpose()?;
                if let Some(otherwise) = &otherwise {
                    push_ancestry(&mut result, otherwise);
                }
                Kind::Condition(condition, then, otherwise)
            }
            Kind::Coalesce(left, right) => {
                let (left, right) = self.both(left, right, &mut result)?;
                Kind::Coalesce(left, right)
            }
            Kind::Default(left, right) => {
                let (left, right) = self.both(left, right, &mut result)?;
                Kind::Default(left, right)
            }
            kind => kind,
        };
        Ok(result)
    }

    fn both(
        &mut self,
        left: Box<Ast>,
        right: Box<Ast>,
        result: &mut Ast,
    ) -> Result<(Box<Ast>, Box<Ast>), QueryError> {
        let (left, right) = (self.boxed(left)?, self.boxed(right)?);
        push_ancestry(result, &left);
        push_ancestry(result, &right);
        Ok((left, right))
    }

    fn call(&mut self, ast: Ast) -> Parsed {
        let mut result = Ast::new(Kind::Null, ast.at);
        result.kind = match ast.kind {
            Kind::Call { procedure, args, is_tail } => {
                let args = self.all(args, &mut result)?;
                Kind::Call { procedure: self.boxed(procedure)?, args, is_tail }
            }
            Kind::Partial { procedure, args } => {
                let args = self.all(args, &mut result)?;
                Kind::Partial { procedure: self.boxed(procedure)?, args }
            }
            kind => kind,
        };
        Ok(result)
    }

    /// Lets every `%` of the last step find its step further left.
    fn resolve_path(&mut self, path: &mut Ast) -> Result<(), QueryError> {
        let Kind::Path(ref mut steps) = path.kind else { return Ok(()) };
        let last = steps.len() - 1;
        let mut slots = steps[last].seeking.clone();
        if let Kind::Parent(slot) = steps[last].kind {
            slots.push(slot);
        }
        for slot in slots {
            let mut next = last;
            while self.slots[slot].level > 0 {
                if next == 0 {
                    path.seeking.push(slot);
                    break;
                }
                next -= 1;
                // Of adjacent steps that bind a variable, all have the same input.
                while next > 0 && steps[next].focus.is_some() && steps[next - 1].focus.is_some() {
                    next -= 1;
                }
                self.seek(&mut steps[next], slot)?;
            }
        }
        Ok(())
    }

    /// Goes up one step, or more where the step is a path of its own.
    fn seek(&mut self, node: &mut Ast, slot: SlotId) -> Result<(), QueryError> {
        let at = node.at;
        match node.kind {
            Kind::Name(_) | Kind::Wildcard => {
                self.slots[slot].level -= 1;
                if self.slots[slot].level == 0 {
                    if let Some(known) = node.ancestor {
                        self.slots[slot].label = self.slots[known].label;
                    }
                    node.ancestor = Some(slot);
                    node.is_tuple = true;
                }
            }
            Kind::Parent(_) => self.slots[slot].level += 1,
            Kind::Block(ref mut parts) => {
                if let Some(last) = parts.last_mut() {
                    node.is_tuple = true;
                    self.seek(last, slot)?;
                }
            }
            Kind::Path(ref mut steps) => {
                node.is_tuple = true;
                for (back, step) in steps.iter_mut().rev().enumerate() {
                    if back > 0 && self.slots[slot].level <= 0 {
                        break;
                    }
                    self.seek(step, slot)?;
                }
            }
            _ => return Err(QueryError::new(Code::S0217).at(at)),
        }
        Ok(())
    }
}

/// What `value` still seeks, `result` seeks, too.
fn push_ancestry(result: &mut Ast, value: &Ast) {
    result.seeking.extend(&value.seeking);
    if let Kind::Parent(slot) = value.kind {
        result.seeking.push(slot);
    }
}

/// Marks the calls whose result is the function's.
fn mark_tail_calls(body: &mut Ast) {
    let is_plain = body.predicates.is_empty() && body.group.is_none() && !body.keep_array;
    match body.kind {
        Kind::Call { ref mut is_tail, .. } => *is_tail = is_plain,
        Kind::Condition(_, ref mut then, ref mut otherwise) if is_plain => {
            mark_tail_calls(then);
            if let Some(otherwise) = otherwise {
                mark_tail_calls(otherwise);
            }
        }
        Kind::Block(ref mut parts) if is_plain => {
            if let Some(last) = parts.last_mut() {
                mark_tail_calls(last);
            }
        }
        _ => {}
    }
}
