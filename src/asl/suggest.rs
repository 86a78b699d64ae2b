//! "Did you mean": the nearest of the names that would have been right.

/// The candidate nearest to `name`, if it is near enough to be a slip.
pub(super) fn nearest<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).clamp(1, 4);
    let near = among.into_iter().map(|candidate| (distance(name, candidate), candidate));
    near.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

/// ` Did you mean "Next"?`, or nothing.
pub fn sentence<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, among).map(|near| format!(" Did you mean {near:?}?")).unwrap_or_default()
}

/// Names longer than this are not compared; every ASL name is shorter.
const NAME_CHARS_MAX: usize = 80;

/// The edits (insert, delete, replace, swap neighbours) that make one name the other; case is free.
fn distance(left: &str, right: &str) -> usize {
    let fold = |text: &str| text.to_lowercase().chars().take(NAME_CHARS_MAX).collect::<Vec<_>>();
    let (left, right) = (fold(left), fold(right));
    let mut before = vec![0; right.len() + 1];
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, l) in left.iter().enumerate() {
        let mut current = vec![row + 1; right.len() + 1];
        for (column, r) in right.iter().enumerate() {
            let replaced = above[column] + usize::from(l != r);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *l == right[column - 1] && left[row - 1] == *r {
                best = best.min(before[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before = std::mem::replace(&mut above, current);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let names = ["Next", "ResultPath", "ResultSelector", "Retry"];
        assert_eq!(nearest("next", names), Some("Next"));
        assert_eq!(nearest("Nxet", names), Some("Next"));
        assert_eq!(nearest("ResultsPath", names), Some("ResultPath"));
        assert_eq!(nearest("Owner", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(sentence("Retrys", names), " Did you mean \"Retry\"?");
    }
}
