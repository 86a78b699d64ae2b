//! Functions: calls, closures, partial application, tail calls.

use super::{Evaluation, Result};
use crate::jsonata::error::{Code, QueryError};
use crate::jsonata::functions::{self, Args};
use crate::jsonata::item::{Closure, Frame, Function, GAP, Item, List};
use crate::jsonata::program::{Call, CallId, Node, NodeId};
use crate::jsonata::signature::{
    ARRAY, BOOL, FUNCTION, MISSING, NULL, NUMBER, OBJECT, Param, STRING, Signature, Types, plural,
};
use crate::value::{Kind, Value};

/// A function, and the variables in sight where it is called.
#[derive(Clone, Copy, Debug)]
pub(in crate::jsonata) struct Target {
    pub function: Item,
    pub frame: Frame,
}

/// How the body of a function ends.
enum Tail {
    Done(Item),
    /// With a call, whose arguments are on the stack.
    Call(Item, CallId),
}

impl Evaluation<'_> {
    /// `f(a)`; `applied` is the argument that `~>` puts first.
    pub(super) fn call(
        &mut self,
        id: CallId,
        applied: Option<Item>,
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        let call = self.program.calls[id.index()];
        let function = self.procedure(call, Code::T1005, input, frame)?;
        if let (Some(fold), None) = (call.fold, applied)
            && let Some(item) = self.folded(fold, function, input, frame)
        {
            return Ok(item);
        }
        let mark = self.mark();
        if let Some(item) = applied {
            self.push(item);
        }
        self.push_args(call, input, frame)?;
        let result = self.apply(Target { function, frame }, mark, input);
        result.map_err(|e| self.named(e, call))
    }

    fn push_args(&mut self, call: Call, input: Item, frame: Frame) -> Result<()> {
        for at in call.args.indexes() {
            let arg = self.program.children[at];
            let item = match self.program.nodes[arg.index()] {
                Node::Placeholder => GAP,
                _ => self.eval(arg, input, frame)?,
            };
            self.push(item);
        }
        Ok(())
    }

    #[cold]
    fn named(&self, error: QueryError, call: Call) -> QueryError {
        let error = error.at(call.at);
        match call.name {
            Some(name) => error.token(&self.program.names[name.index()]),
            None => error,
        }
    }

    /// The function to call. Where there is none, but one of that name: the `$` was forgotten.
    fn procedure(&mut self, call: Call, code: Code, input: Item, frame: Frame) -> Result<Item> {
        let function = self.eval(call.procedure, input, frame)?;
        if let (Item::Nothing, Some(name), true) = (function, call.name, call.is_path)
            && matches!(self.memory.lookup(frame, name), Item::Function(_))
        {
            return Err(self.named(QueryError::new(code), call));
        }
        Ok(function)
    }

    /// Calls a function from within another.
    pub fn invoke(&mut self, target: Target, args: &[Item]) -> Result<Item> {
        let mark = self.mark();
        self.memory.stack.extend_from_slice(args);
        self.enter()?;
        let result = self.apply(target, mark, Item::Json(Value::NULL))?;
        self.leave();
        Ok(result)
    }

    /// Calls a function with the arguments that were pushed since `mark`, which it takes away.
    fn apply(&mut self, target: Target, mark: usize, input: Item) -> Result<Item> {
        let mut target = target;
        loop {
            let closure = match target.function {
                Item::Function(Function::Native(index)) => {
                    let native = functions::get(index);
                    self.validate(&native.signature, mark, input)?;
                    let len = self.mark() - mark;
                    let args = Args { mark, len, frame: target.frame, input };
                    let result = (native.run)(self, args);
                    self.memory.stack.truncate(mark);
                    return result;
                }
                Item::Function(Function::Closure(id)) => self.memory.closures[id as usize],
                _ => return Err(QueryError::new(Code::T1006)),
            };
            match closure {
                Closure::Lambda { .. } => {
                    let level = self.memory.level();
                    match self.run(closure, mark, input)? {
                        Tail::Done(item) => {
                            self.memory.release(level, &[item]);
                            return Ok(item);
                        }
                        Tail::Call(function, call) => {
                            target.function = self.released(level, mark, function);
                            if !matches!(function, Item::Function(_)) {
                                let call = self.program.calls[call.index()];
                                return Err(self.named(QueryError::new(Code::T1006), call));
                            }
                        }
                    }
                }
                Closure::Partial { target: function, args } => {
                    self.fill(args, mark);
                    target.function = Item::Function(function);
                }
                Closure::Chain(first, second) => {
                    let inner = Target { function: Item::Function(first), frame: target.frame };
                    self.enter()?;
                    let item = self.apply(inner, mark, input)?;
                    self.leave();
                    self.push(item);
                    target.function = Item::Function(second);
                }
                _ => return self.special(closure, mark),
            }
        }
    }

    /// Forgets what the last function made, if its tail call can do without.
    fn released(
        &mut self,
        level: crate::jsonata::memory::Level,
        mark: usize,
        function: Item,
    ) -> Item {
        let end = self.mark();
        self.push(function);
        let stack = std::mem::take(&mut self.memory.stack);
        self.memory.release(level, &stack[mark..]);
        self.memory.stack = stack;
        self.memory.stack.truncate(end);
        function
    }

    /// Transforms and matchers, which evaluate no body.
    fn special(&mut self, closure: Closure, mark: usize) -> Result<Item> {
        let arg = self.memory.stack.get(mark).copied().unwrap_or(Item::Nothing);
        self.memory.stack.truncate(mark);
        match closure {
            Closure::Transform { transform, frame } => {
                if !arg.is_nothing() && !arg.is_object() && !arg.is_array() {
                    return Err(self.error(Code::T0410, arg).json("index", 1));
                }
                self.transform(transform, frame, arg)
            }
            Closure::Regex(regex) => match arg {
                Item::Json(text) if arg.is_string() => self.match_object(regex, text, 0),
                _ => Ok(Item::Nothing),
            },
            Closure::NextMatch { regex, text, from } => self.next_match(regex, text, from),
            _ => Ok(Item::Nothing),
        }
    }

    /// The arguments of a partial application, with those on the stack in its gaps.
    fn fill(&mut self, args: List, mark: usize) {
        let end = self.mark();
        let mut next = mark;
        for at in 0..args.len {
            let mut item = self.memory.item(args, at);
            if matches!(item, Item::Tuple(_)) {
                item = if next < end { self.memory.stack[next] } else { Item::Nothing };
                next += 1;
            }
            self.push(item);
        }
        self.memory.stack.drain(mark..end);
    }

    /// Binds the parameters of a lambda and evaluates its body.
    fn run(&mut self, closure: Closure, mark: usize, context: Item) -> Result<Tail> {
        let Closure::Lambda { lambda, input, frame } = closure else {
            return Ok(Tail::Done(Item::Nothing));
        };
        let lambda = self.program.lambdas[lambda.index()];
        if let Some(index) = lambda.signature {
            let program = self.program;
            self.validate(&program.signatures[index as usize], mark, context)?;
        }
        let frame = self.memory.frame(frame);
        for (at, param) in lambda.params.indexes().enumerate() {
            let item = self.memory.stack.get(mark + at).copied().unwrap_or(Item::Nothing);
            self.memory.bind(frame, self.program.params[param], item);
        }
        self.memory.stack.truncate(mark);
        self.tail(lambda.body, input, frame)
    }

    /// Evaluates a body up to the call it ends with, if it does.
    fn tail(&mut self, body: NodeId, input: Item, frame: Frame) -> Result<Tail> {
        let depth = self.depth();
        let (mut id, mut frame) = (body, frame);
        let tail = loop {
            match self.program.nodes[id.index()] {
                Node::Condition(condition, then, otherwise) => {
                    self.enter()?;
                    match (self.eval_truth(condition, input, frame)?, otherwise) {
                        (true, _) => id = then,
                        (false, Some(otherwise)) => id = otherwise,
                        (false, None) => break Tail::Done(Item::Nothing),
                    }
                }
                Node::Block(parts) if parts.len > 0 => {
                    self.enter()?;
                    frame = self.memory.frame(frame);
                    let last = parts.indexes().end - 1;
                    for at in parts.start as usize..last {
                        let part = self.program.children[at];
                        self.eval(part, input, frame)?;
                    }
                    id = self.program.children[last];
                }
                Node::TailCall(call_id) => {
                    self.enter()?;
                    let call = self.program.calls[call_id.index()];
                    let function = self.procedure(call, Code::T1005, input, frame)?;
                    self.push_args(call, input, frame)?;
                    break Tail::Call(function, call_id);
                }
                _ => break Tail::Done(self.eval(id, input, frame)?),
            }
        };
        self.leave_to(depth);
        Ok(tail)
    }

    /// `f(a, ?)`
    pub(super) fn partial(&mut self, id: CallId, input: Item, frame: Frame) -> Result<Item> {
        let call = self.program.calls[id.index()];
        let mark = self.mark();
        self.push_args(call, input, frame)?;
        let Item::Function(target) = self.procedure(call, Code::T1007, input, frame)? else {
            return Err(self.named(QueryError::new(Code::T1008), call));
        };
        let Item::List(args) = self.list(mark, 0)? else { return Ok(Item::Nothing) };
        Ok(self.closure(Closure::Partial { target, args }))
    }

    /// `a ~> f`, where `f` is no call.
    pub(super) fn apply_to(
        &mut self,
        id: NodeId,
        [argument, function]: [NodeId; 2],
        input: Item,
        frame: Frame,
    ) -> Result<Item> {
        let argument = self.eval(argument, input, frame)?;
        let function = self.eval(function, input, frame)?;
        let Item::Function(second) = function else {
            let error = self.error(Code::T2006, function);
            return Err(self.located(error, id));
        };
        if let Item::Function(first) = argument {
            return Ok(self.closure(Closure::Chain(first, second)));
        }
        let result = self.invoke(Target { function, frame }, &[argument]);
        result.map_err(|e| self.located(e, id))
    }

    /// How many arguments a function takes.
    pub fn arity(&self, function: Item) -> usize {
        match function {
            Item::Function(Function::Native(index)) => usize::from(functions::get(index).arity),
            Item::Function(Function::Closure(id)) => match self.memory.closures[id as usize] {
                Closure::Lambda { lambda, .. } => {
                    self.program.lambdas[lambda.index()].params.len as usize
                }
                Closure::Partial { args, .. } => (0..args.len)
                    .filter(|at| matches!(self.memory.item(args, *at), Item::Tuple(_)))
                    .count(),
                Closure::Chain(..) | Closure::Transform { .. } => 1,
                Closure::Regex(_) => 2,
                Closure::NextMatch { .. } => 0,
            },
            _ => 0,
        }
    }

    /// The type of an item, for signatures.
    pub fn type_of(&self, item: Item) -> Types {
        match item {
            Item::Nothing | Item::Tuple(_) => MISSING,
            Item::Number(_) => NUMBER,
            Item::List(_) => ARRAY,
            Item::Record(_) => OBJECT,
            Item::Function(_) => FUNCTION,
            Item::Json(value) => match value.kind() {
                Kind::Null => NULL,
                Kind::Bool => BOOL,
                Kind::Number => NUMBER,
                Kind::String => STRING,
                Kind::Array => ARRAY,
                Kind::Object => OBJECT,
            },
        }
    }

    /// Makes the arguments pushed since `mark` fit the signature: the context stands in for a missing
    /// one, a single item for an array.
    fn validate(&mut self, signature: &Signature, mark: usize, input: Item) -> Result<()> {
        if self.fit(signature, mark) {
            return Ok(());
        }
        let args = &self.memory.stack[mark..];
        let types: Vec<Types> = args.iter().map(|arg| self.type_of(*arg)).collect();
        let taken = signature.matches(&types).map_err(|at| {
            let culprit = args.get(at).copied().unwrap_or(Item::Nothing);
            self.error(Code::T0410, culprit).json("index", at + 1)
        })?;
        let end = self.mark();
        let mut at = mark;
        for (param, count) in signature.params.iter().zip(taken) {
            if count == 0 {
                match param.context_fits(self.type_of(input)) {
                    Some(true) => self.push(input),
                    Some(false) => {
                        let error = self.error(Code::T0411, input);
                        return Err(error.json("index", at - mark + 1));
                    }
                    None => self.push(Item::Nothing),
                }
            }
            for _ in 0..count {
                let mut arg = self.memory.stack[at];
                if param.is_array && !arg.is_nothing() {
                    self.check_items(param, arg, at - mark)?;
                    if !arg.is_array() {
                        arg = self.singleton(arg, 0)?;
                    }
                }
                self.push(arg);
                at += 1;
            }
        }
        self.memory.stack.drain(mark..end);
        Ok(())
    }

    /// Do the arguments fit as they stand, one for each parameter?
    #[inline]
    fn fit(&self, signature: &Signature, mark: usize) -> bool {
        let args = &self.memory.stack[mark..];
        let (params, Some(missing)) = (&signature.params, signature.params.get(args.len()..))
        else {
            return false;
        };
        let fits = |(param, arg): (&Param, &Item)| {
            param.takes(self.type_of(*arg))
                && (!param.is_array
                    || arg.is_nothing()
                    || arg.is_array() && self.items_fit(param, *arg))
        };
        params.iter().zip(args).all(fits) && missing.iter().all(Param::is_optional)
    }

    /// Are the items of an array what the parameter says?
    fn items_fit(&self, param: &Param, array: Item) -> bool {
        let Some(wanted) = param.items else { return true };
        match array {
            Item::List(list) => {
                let len = if Self::is_range(array) { 1 } else { list.len };
                let items = &self.memory.items[list.start as usize..(list.start + len) as usize];
                self.tick(len.into());
                items.iter().all(|item| self.type_of(*item) & wanted != 0)
            }
            _ => {
                let mut walk = self.walk(array);
                std::iter::from_fn(|| self.next(&mut walk)).all(|it| self.type_of(it) & wanted != 0)
            }
        }
    }

    /// Are the items of an array argument what the signature says?
    fn check_items(&self, param: &Param, arg: Item, at: usize) -> Result<()> {
        let is_fit = match arg.is_array() {
            true => self.items_fit(param, arg),
            false => param.items.is_none_or(|wanted| self.type_of(arg) & wanted != 0),
        };
        if is_fit {
            return Ok(());
        }
        let error = self.error(Code::T0412, arg).json("index", at + 1);
        Err(error.json("type", plural(param.items_symbol)))
    }
}
