//! Mutated JSONata expressions: whatever the text, an evaluation ends with a value or an error,
//! within its budget. `EXPRESSWAY_FUZZ_CASES` and `EXPRESSWAY_FUZZ_SEED` ask for more, or others.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use expressway::jsonata::{Environment, Expression, Limits, Memory, Options, Outcome, QueryError};
use expressway::value::{self, Scratch, Value};

const CASES: u64 = 20_000;
/// The budget: bytes of memory, and of a string in it.
const MEMORY_MAX: usize = 4 << 20;
const STRING_MAX: usize = 1 << 20;
/// Bytes that an evaluation may take from the allocator: arenas grow by doubling, while the old one
/// is there still; strings are built outside of them; matchers keep tables.
const ALLOCATED_MAX: usize = 8 * MEMORY_MAX;
/// What so few steps take at most, on a busy machine and without optimization.
const TIME_MAX: Duration = Duration::from_secs(2);
/// How often an evaluation must be slow to be held so.
const TIMES_SLOW: usize = 3;

/// Knows how much is allocated, and was at most.
struct Peak;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Peak {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Peak = Peak;

const DOCUMENT: &str = r#"{"id":"a-1","n":42,"f":-1.5e3,"t":"2018-03-23T10:33:36.617Z","s":"Hello, wörld 😀",
"items":[{"sku":"x","price":2,"qty":3,"tags":["a","b"]},{"sku":"y","price":20,"qty":1},{"sku":"z"}],
"nested":{"a":{"b":{"c":[[1,2],[3,[4]]]}},"null":null,"yes":true},"empty":[],"none":{}}"#;

const SEEDS: &[&str] = &[
    "$sum(items.(price*qty))",
    r#"{"id": id, "hot": n > 30, "label": s & "-" & id}"#,
    "items[price>10].sku",
    "items^(>price, sku){sku: $sum(price)}",
    "items@$i#$k.tags@$t.{'i': $i.sku, 'k': $k, 't': $t}",
    "items.tags.{'t': $, 'sku': %.sku, 'all': %.%.id}",
    "$ ~> |items|{'total': price * qty}, ['sku', 'tags']|",
    "($f := function($n, $a)<nn?:n>{$n <= 1 ? $a : $f($n - 1, $a * $n)}; $f(n, 1))",
    "$map([1..5], function($v, $i, $a){$v * $i + $count($a)}) ~> $reduce(function($x, $y){$x & $y}, '')",
    "$replace(s, /(l+)(o)/i, '$2$1$$') ~> $split(/[ ,]+/) ~> $join('|')",
    "$match(s, /o|l/, 3)[1].{'m': match, 'at': index}",
    "$formatNumber(f, '#,##0.00;(0.0e0)', {'decimal-separator': '.'})",
    "$formatInteger(n, 'Ww;o') & $formatInteger(1999, 'I') & $formatInteger(27, 'a')",
    "$parseInteger('twelve thousand', 'w') + $parseInteger('1,200', '#,##0')",
    "$fromMillis($toMillis(t), '[FNn], [D1o] [MNn] [Y0001] [H01]:[m01]:[s01].[f001] [z]', '-0530')",
    "$toMillis('12/Mar/1999 03:04 pm', '[D]/[MNn,3-3]/[Y] [h#1]:[m] [P]')",
    "nested.**[$type($) = 'number'] ~> $sort(function($l, $r){$l < $r}) ~> $reverse() ~> $distinct()",
    "$merge($each(nested, function($v, $k){{$k: $type($v)}})) ~> $spread() ~> $keys()",
    "$substring(s, -3, 2) & $pad(id, -10, '*#') & $trim('  a  b ') & $uppercase(s)",
    "$zip(items.sku, [1,2,3]) ~> $append([[4]]) ~> $shuffle() ~> $count()",
    "$partition([1..10], 3)[-1] ~> $string(true)",
    "$base64decode($base64encode(id)) & $decodeUrl($encodeUrlComponent(s)) & $hash(s, 'MD5')",
    "$filter(items, $exists ~> $not) ~> $single() ? 1 : $lookup(nested, 'yes') and true or 1 in [1]",
    "$substring(?, 1, ?)(s, 3) & $eval('n + 1')",
    "items[0].*[0] ?? n ?: 'none'",
    "$round(f / 7, 2) + $power(2, 10) - $sqrt($abs(f)) * $floor(1.5) % $ceil(2.5)",
];

/// What mutations insert.
const TOKENS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    ";",
    ":",
    "?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "|",
    "=",
    "<",
    ">",
    "^",
    "**",
    "..",
    ":=",
    "!=",
    "<=",
    ">=",
    "~>",
    "and",
    "or",
    "in",
    "&",
    "@",
    "#",
    "$",
    "$$",
    "'",
    "\"",
    "`",
    "\\",
    "null",
    "1e308",
    "-0",
    "0",
    "1e20",
    "λ($x){",
    "function(",
    "$x",
    "@$x",
    "#$i",
    "%.",
    "[]",
    "[1..1e6]",
    "/a*/",
    "/(/",
    "\u{1f600}",
    "$eval(",
    "$pad(",
    "[1..1e5].",
    "$pad('',9e5,'a')",
    "/(a|.*b){9}/",
    "~> $distinct()",
    "~> $keys()",
    "{$string($): $}",
    "^(-$)",
    "[$]",
    "$string(",
    "^(",
];

struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.bits() % end.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

fn mutate(random: &mut Random) -> String {
    let mut chars: Vec<char> = random.pick(SEEDS).chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(chars.len() + 1);
        let end = (at + random.below(8)).min(chars.len());
        match random.below(5) {
            0 => drop(chars.drain(at..end)),
            1 => drop(chars.splice(at..at, random.pick(TOKENS).chars())),
            2 => drop(chars.splice(at..end, random.pick(TOKENS).chars())),
            3 => {
                let other: Vec<char> = random.pick(SEEDS).chars().collect();
                let from = random.below(other.len());
                let to = (from + random.below(24)).min(other.len());
                chars.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let copy = chars[at..end].to_vec();
                chars.splice(at..at, copy);
            }
        }
    }
    chars.into_iter().collect()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What an evaluation gave, the bytes it took from the allocator at most, and the time.
struct Measured {
    outcome: Result<Outcome, QueryError>,
    allocated: usize,
    time: Duration,
}

fn measure(
    expression: &Expression,
    scratch: &mut Scratch,
    input: Value,
    random: &mut Random,
    memory: &mut Memory,
) -> Measured {
    let limits = Limits {
        steps_max: 20_000,
        depth_max: 500,
        string_bytes_max: STRING_MAX,
        memory_max: MEMORY_MAX,
        ..Limits::default()
    };
    let mut bits = || random.bits();
    let environment = Environment { now: 1_700_000_000_000, random: &mut bits, limits, memory };
    let live = LIVE.load(Ordering::Relaxed);
    MOST.store(live, Ordering::Relaxed);
    let start = Instant::now();
    let outcome = expression.evaluate(scratch, Some(input), &mut |_, _| None, environment);
    let time = start.elapsed();
    Measured { outcome, allocated: MOST.load(Ordering::Relaxed) - live, time }
}

#[test]
fn mutated_expressions_end_within_their_budget() {
    let mut random = Random(setting("EXPRESSWAY_FUZZ_SEED", 1));
    let options = Options { is_strict: false, has_2_1: true };
    let mut memory = Memory::default();
    let (mut values, mut syntax, mut failed) = (0, 0, 0);
    let (mut most, mut longest) = (0, Duration::ZERO);
    for case in 0..setting("EXPRESSWAY_FUZZ_CASES", CASES) {
        let text = mutate(&mut random);
        if std::env::var_os("EXPRESSWAY_FUZZ_SHOW").is_some() {
            eprintln!("{case} {text}");
        }
        let mut scratch = Scratch::new(value::Limits::default());
        let Ok(expression) = Expression::parse(&text, options, &mut scratch) else {
            syntax += 1;
            continue;
        };
        scratch.seal();
        let input = scratch.parse(DOCUMENT.as_bytes()).expect("the document is JSON");
        let used = scratch.used();
        let mut measured = measure(&expression, &mut scratch, input, &mut random, &mut memory);
        let taken = scratch.used() - used;
        assert!(taken < 3 * MEMORY_MAX, "{text} took {taken} bytes");
        assert!(measured.allocated < ALLOCATED_MAX, "{text}: {} allocated", measured.allocated);
        for _ in 1..TIMES_SLOW {
            if measured.time > TIME_MAX {
                measured = measure(&expression, &mut scratch, input, &mut random, &mut memory);
            }
        }
        assert!(measured.time <= TIME_MAX, "{text} took {:?}", measured.time);
        most = most.max(measured.allocated);
        longest = longest.max(measured.time);
        memory.shrink_to(MEMORY_MAX);
        match measured.outcome {
            Ok(Outcome::Value(value)) => {
                values += 1;
                let mut out = Vec::new();
                scratch.write(value, &mut out);
                let json: Result<serde_json::Value, _> = serde_json::from_slice(&out);
                assert!(json.is_ok(), "{text} gives what is no JSON");
            }
            Ok(_) => values += 1,
            Err(e) => {
                failed += 1;
                assert!(!e.message().is_empty(), "{text} fails without a message");
            }
        }
    }
    println!("{values} values, {syntax} syntax errors, {failed} failed");
    println!("at most {most} bytes were allocated, the longest took {longest:?}");
    assert!(values > 0 && syntax > 0 && failed > 0, "{values} {syntax} {failed}");
}
