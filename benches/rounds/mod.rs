//! What benches of several rounds share: what is asked for on the command line, and medians.

/// What follows this option.
pub fn option(name: &str) -> Option<String> {
    let mut words = std::env::args().skip_while(|it| it != name);
    words.next().map(|_| words.next().unwrap_or_else(|| panic!("{name} needs a value")))
}

/// What follows this option, as a number.
pub fn number(name: &str) -> Option<usize> {
    let read = |text: String| text.parse().unwrap_or_else(|_| panic!("{name} {text}: no number"));
    option(name).map(read)
}

/// The one in the middle; of none it is no number.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values = Vec::from_iter(values);
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
