//! Tokens to a syntax tree, by top-down operator precedence.

use super::ast::{Ast, Kind, Parsed, Term};
use super::error::{Code, QueryError};
use super::lexer::{Lexer, Token, TokenKind};
use super::signature::Signature;

/// Expressions within expressions: parsing recurses.
pub(super) const NESTING_MAX: usize = 128;
/// Levels of the tree: a chain such as `a+b+c` nests, too.
pub(super) const HEIGHT_MAX: usize = 128;

/// Parses a whole expression.
pub(super) fn parse(text: &str, has_2_1: bool) -> Parsed {
    let lexer = Lexer::new(text, has_2_1);
    let token = Token { kind: TokenKind::End, at: 0 };
    let mut parser = Parser { lexer, token, is_cut_short: false, depth: 0, height: 0 };
    parser.read(false)?;
    let ast = parser.expression(0)?;
    match parser.token.kind {
        TokenKind::End if parser.is_cut_short => {
            Err(QueryError::new(Code::S0207).at(parser.token.at))
        }
        TokenKind::End => Ok(ast),
        _ => Err(parser.unexpected(Code::S0201)),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next token.
    token: Token,
    /// An operand was missing at the end.
    is_cut_short: bool,
    depth: usize,
    /// The tallest of the expressions parsed since it was last set to 0.
    height: usize,
}

/// How strongly an operator binds what stands to its left.
fn binding(token: &TokenKind) -> u8 {
    let TokenKind::Operator(operator) = token else { return 0 };
    match *operator {
        "(" | "[" | "@" | "#" => 80,
        "." => 75,
        "{" => 70,
        "*" | "/" | "%" => 60,
        "+" | "-" | "&" => 50,
        "=" | "<" | ">" | "^" | "!=" | "<=" | ">=" | "~>" | "in" | "?:" | "??" => 40,
        "and" => 30,
        "or" => 25,
        "?" => 20,
        ":=" => 10,
        _ => 0,
    }
}

impl Parser<'_> {
    /// Makes the next token the current one, which is returned.
    fn read(&mut self, after_operand: bool) -> Result<Token, QueryError> {
        let next = self.lexer.next(after_operand)?;
        if let TokenKind::Operator("!" | "~") = next.kind {
            let error = QueryError::new(Code::S0204).at(next.at);
            return Err(error.text("token", next.kind.text()));
        }
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn unexpected(&self, code: Code) -> QueryError {
        QueryError::new(code).at(self.token.at).text("token", self.token.kind.text())
    }

    fn is(&self, operator: &str) -> bool {
        matches!(self.token.kind, TokenKind::Operator(found) if found == operator)
    }

    fn expect(&mut self, operator: &str, after_operand: bool) -> Result<(), QueryError> {
        if self.is(operator) {
            return self.read(after_operand).map(drop);
        }
        let code = if self.token.kind == TokenKind::End { Code::S0203 } else { Code::S0202 };
        Err(self.unexpected(code).text("value", operator))
    }

    /// Reads on if the next token is `operator`.
    fn takes(&mut self, operator: &str) -> Result<bool, QueryError> {
        let is_it = self.is(operator);
        if is_it {
            self.read(false)?;
        }
        Ok(is_it)
    }

    fn expression(&mut self, right: u8) -> Parsed {
        if self.depth >= NESTING_MAX {
            return Err(self.too_deep(NESTING_MAX));
        }
        self.depth += 1;
        let outer = std::mem::take(&mut self.height);
        let token = self.read(true)?;
        let mut left = self.operand(token)?;
        let mut height = self.height + 1;
        while right < binding(&self.token.kind) {
            self.height = 0;
            let token = self.read(false)?;
            left = self.operation(left, token)?;
            height = height.max(self.height) + 1;
            if height > HEIGHT_MAX {
                return Err(self.too_deep(HEIGHT_MAX));
            }
        }
        self.height = outer.max(height);
        self.depth -= 1;
        Ok(left)
    }

    fn too_deep(&self, limit: usize) -> QueryError {
        QueryError::new(Code::U1002).at(self.token.at).text("limit", limit.to_string())
    }

    /// What a token means where an operand is expected.
    fn operand(&mut self, token: Token) -> Parsed {
        let at = token.at;
        let kind = match token.kind {
            // What is still open is complained of first.
            TokenKind::End => {
                self.is_cut_short = true;
                Kind::Null
            }
            TokenKind::Name(name) => Kind::Name(name),
            TokenKind::Variable(name) => Kind::Variable(name),
            TokenKind::String(text) => Kind::String(text),
            TokenKind::Number(number) => Kind::Number(number),
            TokenKind::Bool(value) => Kind::Bool(value),
            TokenKind::Null => Kind::Null,
            TokenKind::Regex { pattern, flags } => Kind::Regex { pattern, flags },
            TokenKind::Operator(operator) => match operator {
                "and" | "or" | "in" => Kind::Operator(operator),
                "-" => Kind::Negate(Box::new(self.expression(70)?)),
                "*" => Kind::Wildcard,
                "**" => Kind::Descendant,
                "%" => Kind::Parent(0),
                "(" => Kind::Block(self.block()?),
                "[" => Kind::Array(self.items()?),
                "{" => Kind::Object(self.pairs()?),
                "|" => self.transform()?,
                _ => {
                    let error = QueryError::new(Code::S0211).at(at);
                    return Err(error.text("token", operator));
                }
            },
        };
        Ok(Ast::new(kind, at))
    }

    /// What an operator makes of the operand to its left.
    fn operation(&mut self, left: Ast, token: Token) -> Parsed {
        let at = token.at;
        let power = binding(&token.kind);
        let TokenKind::Operator(operator) = token.kind else {
            return Err(QueryError::new(Code::S0201).at(at).text("token", token.kind.text()));
        };
        let kind = match operator {
            "." => Kind::Dot(Box::new(left), Box::new(self.expression(power)?)),
            "(" => return self.call(left, at),
            "[" => return self.predicate(left, at),
            "{" => Kind::GroupBy(Box::new(left), self.pairs()?),
            "^" => Kind::OrderBy(Box::new(left), self.terms()?),
            "@" => Kind::Focus(Box::new(left), self.variable(operator, power)?),
            "#" => Kind::Index(Box::new(left), self.variable(operator, power)?),
            "?" => self.condition(left)?,
            "??" => Kind::Coalesce(Box::new(left), Box::new(self.expression(0)?)),
            "?:" => Kind::Default(Box::new(left), Box::new(self.expression(0)?)),
            ":=" => return self.bind(left, at),
            "~>" => Kind::Apply(Box::new(left), Box::new(self.expression(power)?)),
            _ => Kind::Binary(operator, Box::new(left), Box::new(self.expression(power)?)),
        };
        Ok(Ast::new(kind, at))
    }

    fn block(&mut self) -> Result<Vec<Ast>, QueryError> {
        let mut expressions = Vec::new();
        while !self.is(")") {
            expressions.push(self.expression(0)?);
            if !self.takes(";")? {
                break;
            }
        }
        self.expect(")", true)?;
        Ok(expressions)
    }

    fn items(&mut self) -> Result<Vec<Ast>, QueryError> {
        let mut items = Vec::new();
        while !(items.is_empty() && self.is("]")) {
            let mut item = self.expression(0)?;
            if self.is("..") {
                let at = self.token.at;
                self.read(false)?;
                let last = self.expression(0)?;
                item = Ast::new(Kind::Binary("..", Box::new(item), Box::new(last)), at);
            }
            items.push(item);
            if !self.takes(",")? {
                break;
            }
        }
        self.expect("]", true)?;
        Ok(items)
    }

    fn pairs(&mut self) -> Result<Vec<(Ast, Ast)>, QueryError> {
        let mut pairs = Vec::new();
        while !(pairs.is_empty() && self.is("}")) {
            let key = self.expression(0)?;
            self.expect(":", false)?;
            pairs.push((key, self.expression(0)?));
            if !self.takes(",")? {
                break;
            }
        }
        self.expect("}", true)?;
        Ok(pairs)
    }

    fn terms(&mut self) -> Result<Vec<Term>, QueryError> {
        self.expect("(", false)?;
        let mut terms = Vec::new();
        loop {
            let is_descending = !self.takes("<")? && self.takes(">")?;
            terms.push(Term { is_descending, expression: self.expression(0)? });
            if !self.takes(",")? {
                break;
            }
        }
        self.expect(")", true)?;
        Ok(terms)
    }

    fn transform(&mut self) -> Result<Kind, QueryError> {
        let pattern = self.expression(0)?;
        self.expect("|", false)?;
        let update = self.expression(0)?;
        let delete = match self.takes(",")? {
            true => Some(Box::new(self.expression(0)?)),
            false => None,
        };
        self.expect("|", false)?;
        Ok(Kind::Transform(Box::new(pattern), Box::new(update), delete))
    }

    fn condition(&mut self, condition: Ast) -> Result<Kind, QueryError> {
        let then = self.expression(0)?;
        let otherwise = match self.takes(":")? {
            true => Some(Box::new(self.expression(0)?)),
            false => None,
        };
        Ok(Kind::Condition(Box::new(condition), Box::new(then), otherwise))
    }

    fn predicate(&mut self, mut left: Ast, at: u32) -> Parsed {
        if self.is("]") {
            // What follows is an operator: `a[] / b` divides.
            self.read(true)?;
            let mut step = &mut left;
            while let Kind::Predicate(ref mut inner, _) = step.kind {
                step = inner;
            }
            step.keep_array = true;
            return Ok(left);
        }
        let filter = self.expression(0)?;
        self.expect("]", true)?;
        Ok(Ast::new(Kind::Predicate(Box::new(left), Box::new(filter)), at))
    }

    fn bind(&mut self, left: Ast, at: u32) -> Parsed {
        let Kind::Variable(name) = left.kind else {
            return Err(QueryError::new(Code::S0212).at(left.at));
        };
        let value = self.expression(binding(&TokenKind::Operator(":=")) - 1)?;
        Ok(Ast::new(Kind::Bind(name, Box::new(value)), at))
    }

    fn variable(&mut self, operator: &str, power: u8) -> Result<String, QueryError> {
        let right = self.expression(power)?;
        match right.kind {
            Kind::Variable(name) => Ok(name),
            _ => Err(QueryError::new(Code::S0214).at(right.at).text("token", operator)),
        }
    }

    fn call(&mut self, procedure: Ast, at: u32) -> Parsed {
        let (mut args, mut is_partial) = (Vec::new(), false);
        while !(args.is_empty() && self.is(")")) {
            if self.is("?") {
                is_partial = true;
                args.push(Ast::new(Kind::Placeholder, self.token.at));
                self.read(false)?;
            } else {
                args.push(self.expression(0)?);
            }
            if !self.takes(",")? {
                break;
            }
        }
        self.expect(")", true)?;
        if matches!(&procedure.kind, Kind::Name(name) if name == "function" || name == "λ") {
            return self.lambda(args, at);
        }
        let procedure = Box::new(procedure);
        let kind = match is_partial {
            true => Kind::Partial { procedure, args },
            false => Kind::Call { procedure, args, is_tail: false },
        };
        Ok(Ast::new(kind, at))
    }

    fn lambda(&mut self, args: Vec<Ast>, at: u32) -> Parsed {
        let mut params = Vec::with_capacity(args.len());
        for (index, arg) in args.into_iter().enumerate() {
            let Kind::Variable(name) = arg.kind else {
                return Err(QueryError::new(Code::S0208).at(arg.at).json("value", index + 1));
            };
            params.push(name);
        }
        let signature = match self.is("<") {
            true => Some(Box::new(self.signature()?)),
            false => None,
        };
        self.expect("{", false)?;
        let body = Box::new(self.expression(0)?);
        self.expect("}", false)?;
        Ok(Ast::new(Kind::Lambda { params, signature, body }, at))
    }

    fn signature(&mut self) -> Result<Signature, QueryError> {
        let at = self.token.at;
        let (mut depth, mut text) = (1, String::from("<"));
        while depth > 0 && !self.is("{") && self.token.kind != TokenKind::End {
            self.read(false)?;
            depth += i32::from(self.is("<")) - i32::from(self.is(">"));
            text.push_str(&self.token.kind.text());
        }
        self.expect(">", false)?;
        Signature::parse(&text).map_err(|(code, offset)| {
            QueryError::new(code).at(at + offset as u32).text("value", text.clone())
        })
    }
}
