//! The functions, one file a family. A function gets its arguments checked against its signature;
//! what is undefined it usually passes on.

mod array;
mod datetime;
mod encoding;
mod formatting;
mod higher_order;
mod integer;
mod matching;
mod numeric;
mod object;
mod picture;
mod step_functions;
mod string;
mod words;

use std::borrow::Cow;
use std::sync::LazyLock;

use super::eval::{Evaluation, Result};
use super::item::{Frame, Function, Item};
use super::program::{Fold, Test};
use super::signature::Signature;
use super::{Options, error::QueryError};

/// Characters of a picture of a number or date.
const PICTURE_CHARS_MAX: usize = 1000;
/// Pairs of a picture's characters that are looked at in the time of a step.
const PICTURE_PAIRS_PER_STEP: usize = 64;

/// The arguments of a call: a part of the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Args {
    pub mark: usize,
    pub len: usize,
    /// The variables in sight.
    pub frame: Frame,
    /// The context.
    pub input: Item,
}

type Run = fn(&mut Evaluation<'_>, Args) -> Result<Item>;

/// A row of the table.
pub(super) struct Native {
    pub name: &'static str,
    /// How many arguments a higher-order function may give it.
    pub arity: u8,
    pub signature: Signature,
    pub run: Run,
}

const fn row(
    name: &'static str,
    arity: u8,
    signature: &'static str,
    run: Run,
) -> (&'static str, u8, &'static str, Run) {
    (name, arity, signature, run)
}

/// Name, arity, signature, function.
const ROWS: &[(&str, u8, &str, Run)] = &[
    row("sum", 1, "<a<n>:n>", numeric::sum),
    row("count", 1, "<a:n>", array::count),
    row("max", 1, "<a<n>:n>", numeric::max),
    row("min", 1, "<a<n>:n>", numeric::min),
    row("average", 1, "<a<n>:n>", numeric::average),
    row("string", 1, "<x-b?:s>", string::string),
    row("substring", 3, "<s-nn?:s>", string::substring),
    row("substringBefore", 2, "<s-s:s>", string::substring_before),
    row("substringAfter", 2, "<s-s:s>", string::substring_after),
    row("lowercase", 1, "<s-:s>", string::lowercase),
    row("uppercase", 1, "<s-:s>", string::uppercase),
    row("length", 1, "<s-:n>", string::length),
    row("trim", 1, "<s-:s>", string::trim),
    row("pad", 3, "<s-ns?:s>", string::pad),
    row("match", 3, "<s-f<s:o>n?:a<o>>", matching::find),
    row("contains", 2, "<s-(sf):b>", matching::contains),
    row("replace", 4, "<s-(sf)(sf)n?:s>", matching::replace),
    row("split", 3, "<s-(sf)n?:a<s>>", matching::split),
    row("join", 2, "<a<s>s?:s>", string::join),
    row("formatNumber", 3, "<n-so?:s>", formatting::format_number),
    row("formatBase", 2, "<n-n?:s>", formatting::format_base),
    row("formatInteger", 2, "<n-s:s>", integer::format_integer),
    row("parseInteger", 2, "<s-s:n>", integer::parse_integer),
    row("number", 1, "<(nsb)-:n>", numeric::number),
    row("floor", 1, "<n-:n>", numeric::floor),
    row("ceil", 1, "<n-:n>", numeric::ceil),
    row("round", 2, "<n-n?:n>", numeric::round),
    row("abs", 1, "<n-:n>", numeric::abs),
    row("sqrt", 1, "<n-:n>", numeric::sqrt),
    row("power", 2, "<n-n:n>", numeric::power),
    row("random", 0, "<n?:n>", step_functions::random),
    row("boolean", 1, "<x-:b>", object::boolean),
    row("not", 1, "<x-:b>", object::not),
    row("map", 2, "<af>", higher_order::map),
    row("zip", 0, "<a+>", array::zip),
    row("filter", 2, "<af>", higher_order::filter),
    row("single", 2, "<af?>", higher_order::single),
    row("reduce", 3, "<afj?:j>", higher_order::reduce),
    row("sift", 2, "<o-f?:o>", higher_order::sift),
    row("keys", 1, "<x-:a<s>>", object::keys),
    row("lookup", 2, "<x-s:x>", object::lookup),
    row("append", 2, "<xx:a>", array::append),
    row("exists", 1, "<x:b>", object::exists),
    row("spread", 1, "<x-:a<o>>", object::spread),
    row("merge", 1, "<a<o>:o>", object::merge),
    row("reverse", 1, "<a:a>", array::reverse),
    row("each", 2, "<o-f:a>", higher_order::each),
    row("error", 1, "<s?:x>", object::error),
    row("assert", 2, "<bs?:x>", object::assert),
    row("type", 1, "<x:s>", object::type_name),
    row("sort", 2, "<af?:a>", higher_order::sort),
    row("shuffle", 1, "<a:a>", array::shuffle),
    row("distinct", 1, "<x:x>", array::distinct),
    row("base64encode", 1, "<s-:s>", encoding::base64_encode),
    row("base64decode", 1, "<s-:s>", encoding::base64_decode),
    row("encodeUrlComponent", 1, "<s-:s>", encoding::encode_url_component),
    row("encodeUrl", 1, "<s-:s>", encoding::encode_url),
    row("decodeUrlComponent", 1, "<s-:s>", encoding::decode_url_component),
    row("decodeUrl", 1, "<s-:s>", encoding::decode_url),
    row("eval", 2, "<sx?:x>", object::eval),
    row("toMillis", 2, "<s-s?:n>", datetime::to_millis),
    row("fromMillis", 3, "<n-s?s?:s>", datetime::from_millis),
    row("now", 2, "<s?s?:s>", datetime::now),
    row("millis", 0, "<:n>", datetime::millis),
    row("clone", 1, "<(oa)-:o>", object::clone),
    row("partition", 2, "<an:a>", step_functions::partition),
    row("range", 3, "<nnn?:a>", step_functions::range),
    row("hash", 2, "<xs?:s>", step_functions::hash),
    row("uuid", 0, "<:s>", step_functions::uuid),
    row("parse", 1, "<s-:x>", step_functions::parse),
];

static TABLE: LazyLock<Vec<Native>> = LazyLock::new(|| {
    let native = |&(name, arity, signature, run): &(&'static str, u8, &'static str, Run)| Native {
        name,
        arity,
        signature: Signature::parse(signature).expect("the table's signatures are well-formed"),
        run,
    };
    ROWS.iter().map(native).collect()
});

pub(super) fn get(index: u16) -> &'static Native {
    &TABLE[usize::from(index)]
}

/// The function called `name`, or nothing.
pub(super) fn find(name: &str, options: Options) -> Item {
    if name == "eval" && options.is_strict {
        return Item::Nothing;
    }
    let found = ROWS.iter().position(|row| row.0 == name);
    found.map_or(Item::Nothing, |at| Item::Function(Function::Native(at as u16)))
}

/// Is it the function that `fold` stands for?
pub(super) fn is_fold(index: u16, fold: Fold) -> bool {
    let run: Run = match fold {
        Fold::Sum => numeric::sum,
        Fold::Average => numeric::average,
        Fold::Max => numeric::max,
        Fold::Min => numeric::min,
        Fold::Count => array::count,
    };
    std::ptr::fn_addr_eq(get(index).run, run)
}

/// Is it the function that makes a test?
pub(super) fn is_test(index: u16, test: Test) -> bool {
    let run: Run = match test {
        Test::Exists => object::exists,
        Test::Boolean => object::boolean,
        Test::Not => object::not,
    };
    std::ptr::fn_addr_eq(get(index).run, run)
}

pub(super) fn is_clone(index: u16) -> bool {
    get(index).name == "clone"
}

impl Evaluation<'_> {
    /// The argument at `at`; nothing, if it was not given.
    fn arg(&self, args: Args, at: usize) -> Item {
        if at < args.len { self.memory.stack[args.mark + at] } else { Item::Nothing }
    }

    /// A string argument, decoded; where it stands, if it can be read there.
    fn str_arg(&self, args: Args, at: usize) -> Option<Cow<'_, str>> {
        match self.arg(args, at) {
            Item::Json(value) if self.arg(args, at).is_string() => {
                self.tick_bytes(value.size_max());
                Some(self.scratch.str(value))
            }
            _ => None,
        }
    }

    /// A string argument, decoded, to be kept while values are made.
    fn text_arg(&self, args: Args, at: usize) -> Option<String> {
        self.str_arg(args, at).map(Cow::into_owned)
    }

    /// A picture, which is short: some work grows with its square.
    fn picture_arg(&self, args: Args, at: usize) -> Result<Option<String>> {
        let Some(picture) = self.text_arg(args, at) else { return Ok(None) };
        let len = picture.chars().count();
        if len > PICTURE_CHARS_MAX {
            let what = format_args!("{PICTURE_CHARS_MAX} characters in a picture");
            return Err(QueryError::limit(what));
        }
        self.spend(len + len * len / PICTURE_PAIRS_PER_STEP)?;
        Ok(Some(picture))
    }

    fn number_arg(&self, args: Args, at: usize) -> Option<f64> {
        self.number(self.arg(args, at))
    }
}

/// Why the function `name` can't be applied.
#[cold]
fn inapplicable(name: &str, why: impl Into<String>) -> QueryError {
    QueryError::new(super::Code::D3150).token(name).text("message", why)
}
